package future

import (
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/half"
	"github.com/cqrpc/cqrpc/internal/station"
	"github.com/cqrpc/cqrpc/server"
)

// Unary serves m with f, which gets the one request and a sink for the one
// response. f runs on the poller of one of env's queues, as does every function
// of its call's futures, and must not block; see the package.
func Unary[Req, Res any](
	m call.Method[Req, Res], f func(ctx *Context, req *Req, sink *ResponseSink[Res]), env *future.Environment,
) server.Handler {
	return handler(m.Name, call.Unary, env, func(r *rpc) {
		req := new(Req)
		if r.take(req) {
			f(&r.ctx, req, newResponseSink[Res](r))
		}
	})
}

// ServerStream serves m with f, which gets the one request and a sink for any
// number of responses. See Unary.
func ServerStream[Req, Res any](
	m call.Method[Req, Res], f func(ctx *Context, req *Req, sink *Sink[Res]), env *future.Environment,
) server.Handler {
	return handler(m.Name, call.ServerStream, env, func(r *rpc) {
		req := new(Req)
		if r.take(req) {
			f(&r.ctx, req, newSink[Res](r))
		}
	})
}

// ClientStream serves m with f, which gets any number of requests and a sink for
// the one response. See Unary.
func ClientStream[Req, Res any](
	m call.Method[Req, Res], f func(ctx *Context, requests *Stream[Req], sink *ResponseSink[Res]),
	env *future.Environment,
) server.Handler {
	return handler(m.Name, call.ClientStream, env, func(r *rpc) {
		f(&r.ctx, newStream[Req](r), newResponseSink[Res](r))
	})
}

// BidiStream serves m with f, which gets any number of requests and a sink for
// any number of responses. See Unary.
func BidiStream[Req, Res any](
	m call.Method[Req, Res], f func(ctx *Context, requests *Stream[Req], sink *Sink[Res]), env *future.Environment,
) server.Handler {
	return handler(m.Name, call.BidiStream, env, func(r *rpc) {
		f(&r.ctx, newStream[Req](r), newSink[Res](r))
	})
}

// Generic serves all methods that are not registered, with messages as bytes: what a
// proxy needs. The context knows the method. See Unary.
func Generic(
	f func(ctx *Context, requests *Stream[[]byte], sink *Sink[[]byte]), env *future.Environment,
) server.Handler {
	return BidiStream(call.Method[[]byte, []byte]{}, f, env)
}

func handler(name string, shape call.Shape, env *future.Environment, serve func(*rpc)) server.Handler {
	return server.NewHandler(name, shape, func(a server.Accepted) {
		accept(a, env.Station(), serve, !shape.ManyRequests())
	})
}

func newResponseSink[Res any](r *rpc) *ResponseSink[Res] {
	s := &ResponseSink[Res]{r}
	station.Guard(r.home, s, r)
	return s
}

func newSink[Res any](r *rpc) *Sink[Res] {
	r.out = new(half.Sender)
	r.out.Bind(r.accepted.Call, r.home.Queue(), r, &r.tally)
	s := &Sink[Res]{r}
	station.Guard(r.home, s, r)
	return s
}

func newStream[Req any](r *rpc) *Stream[Req] {
	s := new(Stream[Req])
	s.rpc = r
	s.half.Bind(r.accepted.Call, r.home.Queue(), &r.tally)
	return s
}
