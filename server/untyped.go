package server

import (
	"context"
	"io"

	"github.com/cqrpc/cqrpc/call"
)

// Untyped serves the method with the full name, "/pkg.Service/Method", with f, which learns
// the types of its messages only when it runs: for adapters of code that others generate.
// It is a handler of the sync style like those above: if the method has one request, that
// is received before f's goroutine starts.
//
// If f returns a response it goes out together with OK, as for Unary; nil is for methods
// whose responses were sent before. f may send any number of responses, whatever the
// shape of the method: only the client counts them.
func Untyped(name string, shape call.Shape, f func(context.Context, *UntypedStream) (response any, err error)) Handler {
	return Handler{name: name, shape: shape, serve: func(r *rpc) {
		switch res, err := f(&r.ctx, &UntypedStream{rpc: r}); {
		case err != nil || res == nil:
			r.end(err)
		default:
			r.respond(res)
		}
	}}
}

// UntypedStream is the messages of a call in a handler of Untyped. One goroutine may
// receive and another send. Messages are what the call's codec takes: pointers, with
// protobuf.
type UntypedStream struct {
	rpc *rpc

	// receiving goroutine only
	isTaken bool // the one request
}

// Recv waits for the next request and replaces the contents of v by it. The errors are
// those of [Receiver.Recv]; of a method with one request, that there was none is
// UNIMPLEMENTED the first time, and later io.EOF.
func (s *UntypedStream) Recv(v any) error {
	switch {
	case s.rpc.handler.shape.ManyRequests():
		return s.rpc.recvValue(v)
	case s.isTaken:
		return io.EOF
	}
	s.isTaken = true
	if err := s.rpc.decodeRequest(v); err != nil {
		return err
	}
	return nil
}

// Send sends the next response, see [Sender.Send].
func (s *UntypedStream) Send(v any) error { return s.rpc.send(call.SendValue(v).With(call.BufferHint)) }
