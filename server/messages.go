package server

import (
	"context"
	"errors"
	"io"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// takeRequest decodes the one request into v. If it cannot, there is nothing to
// serve: it ends the call and reports false.
func (r *rpc) takeRequest(v any) bool {
	err := r.decodeRequest(v)
	if err != nil && !r.call.Finished() {
		r.finish(err.Status)
	}
	return err == nil
}

// decodeRequest decodes the one request into v, once. The error is what the call ends
// with, or has ended with.
func (r *rpc) decodeRequest(v any) *cqrpc.Error {
	ok := r.first.Harvest()
	r.first.Finalizer = nil
	switch {
	case !ok:
		return errorOf(r.call.Err())
	case r.message == nil:
		return &cqrpc.Error{Status: StatusNoMessage}
	}
	err := r.call.Decode(r.message, v)
	r.message.Free()
	r.message = nil
	return err
}

// recvRaw receives one message; io.EOF is the client's half-close.
func (r *rpc) recvRaw() (*mem.Buffer, error) {
	in := r.receiving()
	ops := [1]call.Op{call.RecvMessage(&in.message)}
	if err := r.receive(ops[:]); err != nil {
		return nil, err
	}
	b := in.message
	in.message = nil
	if b == nil {
		return nil, io.EOF
	}
	return b, nil
}

// recvValue receives one message into v; io.EOF is the client's half-close.
func (r *rpc) recvValue(v any) error {
	in := r.receiving()
	ops := [1]call.Op{call.RecvValue(v, &in.got)}
	if err := r.receive(ops[:]); err != nil {
		return err
	}
	if !in.got {
		return io.EOF
	}
	return nil
}

func (r *rpc) receiving() *inbound {
	if r.in == nil {
		r.in = new(inbound)
	}
	return r.in
}

func (r *rpc) receive(ops []call.Op) error {
	in := &r.receiving().Waiter
	if err := r.call.StartBatchOn(in, ops, nil); err != nil {
		return call.Misuse(err)
	}
	ev, _ := r.call.Await(context.Background(), in) // it ends with the call at the latest
	return failure(ev)
}

// failure is why an operation of a handler failed, nil if it did not.
func failure(ev cq.Event) error {
	if ev.OK {
		return nil
	}
	return errorOf(ev.Err)
}

// errorOf makes an error of the call of the reason why an operation failed. Only a status ends
// a direction of a call that goes on: the handler has returned, and its context has ended.
func errorOf(reason error) *cqrpc.Error {
	if e, ok := errors.AsType[*cqrpc.Error](reason); ok {
		return e
	}
	if errors.Is(reason, call.ErrEnded) {
		return cqrpc.Errorf(cqrpc.CodeCanceled, "the handler has returned: %w", reason)
	}
	return cqrpc.Errorf(cqrpc.CodeInternal, "%w", reason)
}

// send sends one message, with the initial metadata before the first. It waits until
// the message before has been accepted by flow control, not for its own: so one message
// is marshalled while the last is written, and no more than that waits here.
func (r *rpc) send(op call.Op) error {
	if err := r.awaitSent(); err != nil {
		return err
	}
	var ops [2]call.Op
	batch := r.ctx.ForStyle().BeginResponse(ops[:0])
	batch = append(batch, op)
	if err := r.startSend(batch); err != nil {
		if len(batch) == 2 {
			r.ctx.ForStyle().RevertBegin()
		}
		return err
	}
	return nil
}

// startSend starts a batch for awaitSent to wait for.
func (r *rpc) startSend(batch []call.Op) error {
	if r.out == nil {
		r.out = new(outbound)
	}
	if err := r.call.StartBatchOn(&r.out.Waiter, batch, nil); err != nil {
		return call.Misuse(err)
	}
	r.out.isBusy = true
	return nil
}

// sendBuffer sends b, or frees it.
func (r *rpc) sendBuffer(b *call.Buffer, flags call.Flags) error {
	isSent := false
	defer func() {
		if !isSent { // refused, or a compressor has panicked
			b.Free()
		}
	}()
	err := r.send(call.SendMessage(b).With(call.BufferHint | flags))
	isSent = err == nil
	return err
}

// sendHeader sends the batch of SendHeader and waits for it.
func (r *rpc) sendHeader(ops []call.Op) error {
	if err := r.startSend(ops); err != nil {
		return err
	}
	return r.awaitSent()
}

// awaitSent waits for the outstanding message.
func (r *rpc) awaitSent() error {
	if r.out == nil || !r.out.isBusy {
		return nil
	}
	r.out.isBusy = false
	ev, _ := r.call.Await(context.Background(), &r.out.Waiter)
	return failure(ev)
}
