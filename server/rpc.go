package server

import (
	"runtime/debug"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/transport"
)

// rpc is one call of a handler: the canonical batches of the server side.
//
//	reader          {RECV_CLOSE} ─────────────────────────► ctx ends
//	                {RECV_MESSAGE} ─► opening: hires a worker (one request)
//	worker          {RECV_MESSAGE}, {SEND_MESSAGE} …: waits on in, out
//	                {INIT, MESSAGE, STATUS} ─────────────► finishing: nobody waits
type rpc struct {
	// immutable
	conn    *conn
	handler *Handler
	call    *call.Call

	ctx Context

	next *rpc // guarded by workers.mu

	// owned by opening until the worker starts, by the worker from then on
	first   cq.Completion // of the batch that received message
	message *call.Buffer  // the one request, written when first is harvested

	// owned by the goroutine that receives, and the one that sends; made when first
	// used: a unary call needs neither
	in  *inbound
	out *outbound

	// worker only
	isReleased bool // the handler is no longer counted
}

// inbound is what a handler needs to receive. The goroutine that does may outlive the
// handler.
type inbound struct {
	cq.Waiter
	got     bool
	message *call.Buffer // raw
}

// outbound is what a handler needs to send more than its response.
type outbound struct {
	cq.Waiter
	isBusy bool // a message is outstanding
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
	st.Accept(k.Receiver())
	k.Start()
	if h.accept != nil {
		h.accept(Accepted{Call: k, conn: c})
		return
	}
	r := &rpc{conn: c, handler: h, call: k}
	r.ctx.call, r.ctx.rpc = k, r
	r.ctx.watch()
	if h.shape.ManyRequests() {
		c.server.workers.hire(r)
		return
	}
	ops := [1]call.Op{call.RecvMessage(&r.message)}
	if err := k.StartBatchOn((*opening)(r), ops[:], nil); err != nil {
		panic("BUG: server: " + err.Error())
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

// Host returns the workers, which run the call.
func (r *opening) Host() cq.Host { return &r.conn.server.workers }

// drop takes the completion of a request that nobody wants.
func (r *rpc) drop() {
	if r.first.Finalizer != nil {
		call.Drop(r.first.Finalizer)
		r.first.Finalizer = nil
	}
	r.message.Free()
	r.message = nil
}

// finishing completes the batch that ends the response. Nobody waits for it.
type finishing rpc

func (r *finishing) Begin() bool { return true }

func (r *finishing) Complete(c cq.Completion) { c.Harvest() }

// run serves the call on the worker's goroutine.
func (r *rpc) run() {
	returned := false
	defer func() {
		if !returned { // panic, or runtime.Goexit as by testing's FailNow
			r.panicked(recover(), debug.Stack())
		}
		r.drop()
		r.ctx.end()
		r.release()
	}()
	if refusal := r.ctx.admit(r.conn.server); refusal != nil {
		r.finish(refusal.Status)
	} else {
		r.handler.serve(r)
	}
	returned = true
}

// release counts the handler as returned. That is before its status goes out: the
// client that reads it may open the next stream at once, and be within
// MAX_CONCURRENT_STREAMS (RFC 9113 section 5.1.2).
func (r *rpc) release() {
	if !r.isReleased {
		r.isReleased = true
		r.conn.unreserve()
	}
}

// panicked ends a call whose handler did not return.
func (r *rpc) panicked(v any, stack []byte) {
	r.finish(StatusPanicked)
	r.conn.server.panicked(r.call, v, stack)
}

func (s *Server) panicked(k *call.Call, v any, stack []byte) {
	s.onPanic(k.Method(), v, stack)
}
