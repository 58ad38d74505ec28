package server

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
)

// Handler is a method together with the function that serves it. Make one with
// Unary, ClientStream, ServerStream, BidiStream or Generic, or with the functions
// of the same names in packages server/reactor and server/future. What follows is
// about the functions here, the sync style.
//
// A function runs on a goroutine of its own, per call, and what it returns ends
// the call: nil with OK, an error with [cqrpc.StatusOf] of it, see WithErrorMapper. Its
// context ends when the call does, for whatever reason, and at the latest when the
// function has returned; once a call has ended nothing more is sent. A panic ends the
// call with INTERNAL and is reported, see WithPanicHandler.
type Handler struct {
	name  string
	shape call.Shape
	// exactly one is set
	serve  func(r *rpc)   // sync style: on the handler's goroutine
	accept func(Accepted) // other styles: on the connection's
}

// isGeneric reports whether the handler is for all methods that are not registered. One of another shape, as the zero
// Handler, has no name by mistake.
func (h *Handler) isGeneric() bool { return h.name == "" && h.shape == call.BidiStream }

// Unary serves m with f, which gets the one request and returns the one
// response. The request is received before f's goroutine starts.
func Unary[Req, Res any](m call.Method[Req, Res], f func(context.Context, *Req) (*Res, error)) Handler {
	return Handler{name: m.Name, shape: call.Unary, serve: func(r *rpc) {
		req := new(Req)
		if !r.takeRequest(req) {
			return
		}
		res, err := f(&r.ctx, req)
		reply(r, res, err)
	}}
}

// ClientStream serves m with f, which reads any number of requests, to the end
// or not, and returns the one response.
func ClientStream[Req, Res any](
	m call.Method[Req, Res], f func(context.Context, *Receiver[Req]) (*Res, error),
) Handler {
	return Handler{name: m.Name, shape: call.ClientStream, serve: func(r *rpc) {
		res, err := f(&r.ctx, &Receiver[Req]{r})
		reply(r, res, err)
	}}
}

// ServerStream serves m with f, which gets the one request and sends any number
// of responses. The request is received before f's goroutine starts.
func ServerStream[Req, Res any](m call.Method[Req, Res], f func(context.Context, *Req, *Sender[Res]) error) Handler {
	return Handler{name: m.Name, shape: call.ServerStream, serve: func(r *rpc) {
		req := new(Req)
		if !r.takeRequest(req) {
			return
		}
		r.end(f(&r.ctx, req, &Sender[Res]{r}))
	}}
}

// BidiStream serves m with f, which reads requests and sends responses in any order, from
// two goroutines if it likes. The one that sends must be done when f returns; a Recv that
// is outstanding then, or comes later, fails. The same holds for Generic, and for Untyped
// with many requests.
func BidiStream[Req, Res any](
	m call.Method[Req, Res], f func(context.Context, *Receiver[Req], *Sender[Res]) error,
) Handler {
	return Handler{name: m.Name, shape: call.BidiStream, serve: func(r *rpc) {
		r.end(f(&r.ctx, &Receiver[Req]{r}, &Sender[Res]{r}))
	}}
}

// Generic serves all methods that are not registered, with messages as bytes: what a
// proxy needs. The context knows the method, see Incoming. Without a generic handler
// such calls end with UNIMPLEMENTED, or go to RequestCall.
func Generic(f func(context.Context, *RawStream) error) Handler {
	return Handler{shape: call.BidiStream, serve: func(r *rpc) {
		r.end(f(&r.ctx, &RawStream{r}))
	}}
}

// reply ends an RPC with the one response of its handler.
func reply[Res any](r *rpc, res *Res, err error) {
	switch {
	case err != nil:
		r.end(err)
	case res == nil:
		r.finish(cqrpc.Status{Code: cqrpc.CodeInternal, Message: "handler returned neither a response nor an error"})
	default:
		r.respond(res)
	}
}
