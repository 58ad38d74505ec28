package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
	"github.com/cqrpc/cqrpc/transport"
)

// rpc is one call of a handler: the canonical batches of the server side.
//
//	reader          {RECV_CLOSE} ─────────────────────────► closing: ends ctx
//	                {RECV_MESSAGE} ─► opening: hires a worker (one request)
//	worker          {RECV_MESSAGE}, {SEND_MESSAGE} …: waits on in, out
//	                {INIT, MESSAGE, STATUS} ─────────────► parting: nobody waits
type rpc struct {
	// immutable
	conn    *conn
	handler *Handler
	call    *call.Call

	ctx callContext

	// opening's until the worker starts, the worker's then
	first   cq.Completion // of the batch that received message
	message *call.Buffer  // the one request, written when first is harvested

	// of the goroutine that receives
	in  cq.Waiter
	got bool

	// of the goroutine that sends
	out     cq.Waiter
	sending bool // a message is outstanding on out

	mu sync.Mutex
	// guarded by mu
	header  cqrpc.Metadata
	trailer cqrpc.Metadata
	begun   bool // initial metadata is out

	cancelled bool // closing's
}

// handle starts a call of h.
func (c *conn) handle(h *Handler, st *transport.Stream, hs *frame.Headers) {
	if !c.reserve() {
		return // refused as unprocessed
	}
	k := c.newCall(st, hs, h.isGeneric(), !h.shape.ManyRequests())
	if k == nil {
		c.unreserve()
		return
	}
	r := &rpc{conn: c, handler: h, call: k}
	r.ctx.rpc = r
	st.Accept(k.Receiver())
	k.Start()
	r.start((*closing)(r), call.RecvClose(&r.cancelled))
	if h.shape.ManyRequests() {
		c.server.workers.hire(r)
		return
	}
	r.start((*opening)(r), call.RecvMessage(&r.message))
}

// start starts a batch of one that cannot be refused.
func (r *rpc) start(to cq.Completer, op call.Op) {
	ops := [1]call.Op{op}
	if err := r.call.StartBatchOn(to, ops[:], nil); err != nil {
		panic("BUG: server: " + err.Error())
	}
}

// closing completes RECV_CLOSE: the call has ended.
type closing rpc

func (r *closing) Begin() bool { return true }

func (r *closing) Complete(c cq.Completion) {
	harvest(c)
	r.ctx.end()
	if r.cancelled {
		r.call.Close() // nobody will read what has arrived
	}
}

// opening completes the first RECV_MESSAGE of a method with one request: there
// is work to do. A call that has died needs none.
type opening rpc

func (r *opening) Begin() bool { return true }

func (r *opening) Complete(c cq.Completion) {
	r.first = c
	if c.OK {
		r.conn.server.workers.hire((*rpc)(r))
		return
	}
	(*rpc)(r).drop()
	r.conn.unreserve()
}

// drop takes the completion of a request that nobody wants.
func (r *rpc) drop() {
	if r.first.Finalizer != nil {
		harvest(r.first)
		r.first.Finalizer = nil
	}
	r.message.Free()
	r.message = nil
}

// parting completes the batch that ends the response. Nobody waits for it.
type parting rpc

func (r *parting) Begin() bool { return true }

func (r *parting) Complete(c cq.Completion) { harvest(c) }

// harvest finalizes a batch whose event nobody gets, and returns its OK.
func harvest(c cq.Completion) (ok bool) {
	ev := events.Get().(*cq.Event)
	ev.OK = c.OK
	c.Finalizer.Finalize(ev)
	ok = ev.OK
	*ev = cq.Event{}
	events.Put(ev)
	return ok
}

// events are for harvest: one on the stack would not stay there.
var events = sync.Pool{New: func() any { return new(cq.Event) }}

// run serves the call on the worker's goroutine.
func (r *rpc) run() {
	returned := false
	defer func() {
		if !returned { // panic, or runtime.Goexit as testing's FailNow
			r.panicked(recover(), debug.Stack())
		}
		r.drop()
		r.ctx.end()
		r.conn.unreserve()
	}()
	r.handler.serve(r)
	returned = true
}

// panicked ends a call whose handler did not return. What was given to panic
// stays in this process: it may hold secrets, and the stack does not help a
// client.
func (r *rpc) panicked(v any, stack []byte) {
	r.finish(cqrpc.Status{Code: cqrpc.CodeInternal, Message: "panic in handler"})
	cfg := &r.conn.server.cfg
	if cfg.panicHandler != nil {
		cfg.panicHandler(r.call.Method(), v, stack)
		return
	}
	cfg.logger.Error("server: panic in handler", "method", r.call.Method(), "panic", v, "stack", string(stack))
}

// takeRequest decodes the one request into v. Without exactly one there is
// nothing to serve: then it has ended the call and reports false. It waits for
// the client's half-close, as until then a second message may come.
func (r *rpc) takeRequest(v any) bool {
	ok := harvest(r.first)
	r.first.Finalizer = nil
	switch {
	case !ok:
		return false
	case r.message == nil:
		r.finish(statusNoMessage)
		return false
	}
	err := r.call.Codec().Unmarshal(r.message.Bytes(), v)
	r.message.Free()
	r.message = nil
	if err != nil {
		r.finish(cqrpc.Status{
			Code: cqrpc.CodeInternal, Message: fmt.Sprintf("cannot unmarshal request into %T: %v", v, err),
		})
		return false
	}
	return r.awaitHalfClose()
}

// The wrong number of messages is UNIMPLEMENTED on both sides (gRPC, Status
// codes and their use).
var (
	statusNoMessage = cqrpc.Status{
		Code: cqrpc.CodeUnimplemented, Message: "no request message where the method has one",
	}
	statusMoreMessages = cqrpc.Status{
		Code: cqrpc.CodeUnimplemented, Message: "more than one request message where the method has one",
	}
)

// awaitHalfClose reports whether the request ended after its one message.
func (r *rpc) awaitHalfClose() bool {
	extra, err := r.recvRaw()
	if err == nil {
		extra.Free()
		r.finish(statusMoreMessages)
	}
	return errors.Is(err, io.EOF)
}

// recvRaw receives one message; io.EOF is the client's half-close.
func (r *rpc) recvRaw() (*mem.Buffer, error) {
	ops := [1]call.Op{call.RecvMessage(&r.message)}
	if err := r.receive(ops[:]); err != nil {
		return nil, err
	}
	b := r.message
	r.message = nil
	if b == nil {
		return nil, io.EOF
	}
	return b, nil
}

// recvValue receives one message into v; io.EOF is the client's half-close.
func (r *rpc) recvValue(v any) error {
	ops := [1]call.Op{call.RecvValue(v, &r.got)}
	if err := r.receive(ops[:]); err != nil {
		return err
	}
	if !r.got {
		return io.EOF
	}
	return nil
}

func (r *rpc) receive(ops []call.Op) error {
	if err := r.call.StartBatchOn(&r.in, ops, nil); err != nil {
		return misuse(err)
	}
	ev, _ := r.in.Wait(context.Background()) // the end of the call ends it, too
	return failure(ev)
}

// failure is why an operation of a handler failed, nil if it did not. A lost
// connection has io.EOF among its causes, which must not be taken for the end
// of the messages by a handler that looks with errors.Is.
func failure(ev cq.Event) error {
	if ev.OK {
		return nil
	}
	e, ok := errors.AsType[*cqrpc.Error](ev.Err)
	switch {
	case !ok:
		return misuse(ev.Err)
	case errors.Is(e, io.EOF):
		return &cqrpc.Error{Status: e.Status, Origin: e.Origin}
	}
	return e
}

// send sends one message, with the initial metadata before the first, and
// returns when the one before has been accepted by flow control: while one is
// written, the next is marshalled, and never more than that waits here.
func (r *rpc) send(op call.Op) error {
	if err := r.awaitSent(); err != nil {
		return err
	}
	var ops [2]call.Op
	batch := r.beginResponse(ops[:0])
	batch = append(batch, op)
	if err := r.call.StartBatchOn(&r.out, batch, nil); err != nil {
		if len(batch) == 2 {
			r.revertBegin()
		}
		return misuse(err)
	}
	r.sending = true
	return nil
}

// awaitSent waits for the outstanding message.
func (r *rpc) awaitSent() error {
	if !r.sending {
		return nil
	}
	r.sending = false
	ev, _ := r.out.Wait(context.Background())
	return failure(ev)
}

// beginResponse adds the initial metadata, if it is not out.
func (r *rpc) beginResponse(ops []call.Op) []call.Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun {
		return ops
	}
	r.begun = true
	return append(ops, call.SendInitialMetadata(r.header))
}

// revertBegin takes back beginResponse: the batch was rejected.
func (r *rpc) revertBegin() {
	r.mu.Lock()
	r.begun = false
	r.mu.Unlock()
}

// respond ends the call with its one response and OK, in one batch.
func (r *rpc) respond(res any) {
	var ops [3]call.Op
	batch := r.beginResponse(ops[:0])
	batch = append(batch, call.SendValue(res), call.SendStatus(cqrpc.Status{}, r.takeTrailer()))
	err := r.call.StartBatchOn((*parting)(r), batch, nil)
	if err == nil {
		return
	}
	if len(batch) == 3 {
		r.revertBegin()
	}
	r.finish(cqrpc.Status{Code: cqrpc.CodeInternal, Message: fmt.Sprintf("cannot marshal response %T: %v", res, err)})
}

// finish ends the call with a status. Without initial metadata of the
// application, and if nothing was sent, that is the whole response.
func (r *rpc) finish(st cqrpc.Status) {
	var ops [2]call.Op
	batch := ops[:0]
	if r.hasHeader() {
		batch = r.beginResponse(batch)
	}
	batch = append(batch, call.SendStatus(st, r.takeTrailer()))
	if err := r.call.StartBatchOn((*parting)(r), batch, nil); err != nil {
		// A codec that panicked has left the response half begun.
		r.call.CancelWithStatus(st.Code, st.Message)
	}
}

func (r *rpc) hasHeader() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.header) > 0
}

func (r *rpc) takeTrailer() cqrpc.Metadata {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trailer
}

// misuse makes an error of what only a mistake in the handler can cause: two
// goroutines that send, a value the codec does not know, a use after the end.
func misuse(err error) error { return cqrpc.Errorf(cqrpc.CodeInternal, "%w", err) }
