package parity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// batchCall is one call, with a queue for the events of its batches. Its tags
// are the kinds of what they wait for.
type batchCall struct {
	call    *call.Call
	payload *call.Buffer
	queue   *cq.Queue
	ctx     context.Context //nolint:containedctx // a server call is what its context is about
	cancel  context.CancelFunc
	watch   sync.WaitGroup

	header, trailer cqrpc.Metadata
	begun           bool // initial metadata is out
	response        any  // the one, which goes out with the status
}

func newBatchCall(in server.IncomingCall) *batchCall {
	c := &batchCall{call: in.Call, payload: in.Payload, queue: cq.NewPluck()}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if !in.Deadline.IsZero() {
		c.ctx, c.cancel = context.WithDeadline(context.Background(), in.Deadline)
	}
	c.ctx = valued{c.ctx, in.Call}
	return c
}

// valued has the values of a call's filters.
type valued struct {
	context.Context //nolint:containedctx // it is one
	call            *call.Call
}

func (v valued) Value(key any) any {
	if found := v.call.Value(key); found != nil {
		return found
	}
	return v.Context.Value(key)
}

// run serves the call to its end.
func (c *batchCall) run(serve func(c *batchCall) error) {
	c.must(c.call.StartBatchOn(c.queue, []call.Op{call.RecvClose(nil)}, call.RecvCloseOp))
	c.watch.Go(func() {
		c.queue.Pluck(context.Background(), call.RecvCloseOp)
		c.cancel()
	})
	c.finish(cqrpc.StatusOf(serve(c)))
	c.watch.Wait()
	c.call.Close()
	c.payload.Free()
	c.queue.Shutdown()
}

func (c *batchCall) must(err error) {
	if err != nil {
		panic(fmt.Sprintf("BUG: %s: %v", c.call.Method(), err))
	}
}

// batch starts ops and waits for their end, which is also the call's.
func (c *batchCall) batch(tag call.OpKind, ops ...call.Op) error {
	if err := c.call.StartBatchOn(c.queue, ops, tag); err != nil {
		return err
	}
	return c.queue.Pluck(context.Background(), tag).Err
}

// first decodes the message that came with the call.
func (c *batchCall) first(req any) error {
	if c.payload == nil {
		return cqrpc.Errorf(cqrpc.CodeUnimplemented, "no request message")
	}
	defer func() { c.payload.Free(); c.payload = nil }()
	if err := c.call.Codec().Unmarshal(c.payload.Bytes(), req); err != nil {
		return cqrpc.Errorf(cqrpc.CodeInternal, "cannot unmarshal the request: %w", err)
	}
	return nil
}

// reply keeps the one response for finish: with its status it is one batch.
func (c *batchCall) reply(res any, err error) error {
	if err == nil {
		c.response = res
	}
	return err
}

func (c *batchCall) send(op call.Op) error {
	ops := []call.Op{op}
	if !c.begun {
		c.begun = true
		ops = append(ops, call.SendInitialMetadata(c.header))
	}
	return c.batch(call.SendMessageOp, ops...)
}

// finish ends the call. That it may have ended before tells RECV_CLOSE.
func (c *batchCall) finish(st cqrpc.Status) {
	ops := []call.Op{call.SendStatus(st, c.trailer)}
	if c.response != nil {
		ops = append(ops, call.SendValue(c.response))
	}
	if !c.begun && (c.response != nil || len(c.header) > 0) {
		ops = append(ops, call.SendInitialMetadata(c.header))
	}
	var misuse *call.BatchError
	if err := c.batch(call.SendStatusOp, ops...); errors.As(err, &misuse) {
		c.call.CancelWithStatus(cqrpc.CodeInternal, misuse.Error())
	}
}

func (c *batchCall) Context() context.Context { return c.ctx }
func (c *batchCall) Metadata() cqrpc.Metadata { return c.call.RequestMetadata() }
func (c *batchCall) Authority() string        { return c.call.Authority() }
func (c *batchCall) Peer() string             { return c.call.Peer().Addr.String() }
func (c *batchCall) TryCancel() {
	c.call.CancelWithStatus(cqrpc.CodeCanceled, "Cancelled on the server side")
}

func (c *batchCall) SetHeader(md cqrpc.Metadata) error {
	if c.begun {
		return server.ErrHeaderSent
	}
	c.header = append(c.header, md...)
	return md.Validate()
}

func (c *batchCall) SendHeader(md cqrpc.Metadata) error {
	c.header = append(c.header, md...)
	c.begun = true
	return c.batch(call.SendInitialMetadataOp, call.SendInitialMetadata(c.header))
}

func (c *batchCall) SetTrailer(md cqrpc.Metadata) error {
	c.trailer = append(c.trailer, md...)
	return md.Validate()
}

// batchMessages is the typed side of a call.
type batchMessages[Req, Res any] struct{ call *batchCall }

func (m batchMessages[Req, Res]) Recv() (*Req, error) {
	req, got := new(Req), false
	err := m.call.batch(call.RecvMessageOp, call.RecvValue(req, &got))
	switch {
	case err != nil:
		return nil, err
	case !got:
		return nil, io.EOF
	}
	return req, nil
}

func (m batchMessages[Req, Res]) Send(res *Res) error { return m.call.send(call.SendValue(res)) }

// SendBuffer implements BufferSender, as that of batchStream.
func (m batchMessages[Req, Res]) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	return m.call.send(call.SendMessage(b).With(flags...))
}
