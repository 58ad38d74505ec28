package reactor

import (
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/server"
)

// Unary serves m with f, which fills the response and returns the reactor whose
// Finish sends it; nil ends the call with UNIMPLEMENTED. The request has been
// received before. Both messages stay valid as long as they are referred to.
func Unary[Req, Res any](
	m call.Method[Req, Res], f func(*Context, *Req, *Res) UnaryReactor, opts ...Option,
) server.Handler {
	loop := newLoop(opts)
	return server.NewHandler(m.Name, call.Unary, func(a server.Accepted) {
		c := &unaryCall[Req, Res]{handler: f}
		c.accept(a, loop, c)
	})
}

// ServerStream serves m with f, which returns the reactor that writes the
// responses; nil ends the call with UNIMPLEMENTED. The request has been received
// before, and stays valid as long as it is referred to.
func ServerStream[Req, Res any](
	m call.Method[Req, Res], f func(*Context, *Req) WriteReactor[Res], opts ...Option,
) server.Handler {
	loop := newLoop(opts)
	return server.NewHandler(m.Name, call.ServerStream, func(a server.Accepted) {
		c := &serverStreamCall[Req, Res]{handler: f}
		c.accept(a, loop, c)
	})
}

// ClientStream serves m with f, which returns the reactor that reads the
// requests, fills the response and whose Finish sends it; nil ends the call with
// UNIMPLEMENTED.
func ClientStream[Req, Res any](
	m call.Method[Req, Res], f func(*Context, *Res) ReadReactor[Req], opts ...Option,
) server.Handler {
	loop := newLoop(opts)
	return server.NewHandler(m.Name, call.ClientStream, func(a server.Accepted) {
		c := &clientStreamCall[Req, Res]{handler: f}
		c.accept(a, loop, c)
	})
}

// BidiStream serves m with f, which returns the reactor that reads the requests
// and writes the responses; nil ends the call with UNIMPLEMENTED.
func BidiStream[Req, Res any](
	m call.Method[Req, Res], f func(*Context) BidiReactor[Req, Res], opts ...Option,
) server.Handler {
	loop := newLoop(opts)
	return server.NewHandler(m.Name, call.BidiStream, func(a server.Accepted) {
		c := &bidiStreamCall[Req, Res]{handler: f}
		c.accept(a, loop, c)
	})
}

// Generic serves all methods that are not registered, messages being bytes. The
// context tells the method.
func Generic(f func(*Context) BidiReactor[[]byte, []byte], opts ...Option) server.Handler {
	return BidiStream(call.Method[[]byte, []byte]{Shape: call.BidiStream}, f, opts...)
}

// unaryCall is one call of a handler of Unary, and likewise below.
type unaryCall[Req, Res any] struct {
	rpc
	handler func(*Context, *Req, *Res) UnaryReactor
	req     Req
	res     Res
	reactor DefaultReactor
}

func (c *unaryCall[Req, Res]) request() any           { return &c.req }
func (c *unaryCall[Req, Res]) spare() *DefaultReactor { return &c.reactor }

func (c *unaryCall[Req, Res]) serve() (*base, Reactions) {
	c.response = &c.res
	r := c.handler(&c.ctx, &c.req, &c.res)
	if r == nil {
		return nil, nil
	}
	return &r.unaryBase().base, r
}

type serverStreamCall[Req, Res any] struct {
	rpc
	handler func(*Context, *Req) WriteReactor[Res]
	req     Req
}

func (c *serverStreamCall[Req, Res]) request() any         { return &c.req }
func (*serverStreamCall[Req, Res]) spare() *DefaultReactor { return nil }

func (c *serverStreamCall[Req, Res]) serve() (*base, Reactions) {
	r := c.handler(&c.ctx, &c.req)
	if r == nil {
		return nil, nil
	}
	return &r.writeBase().base, r
}

type clientStreamCall[Req, Res any] struct {
	rpc
	handler func(*Context, *Res) ReadReactor[Req]
	res     Res
}

func (*clientStreamCall[Req, Res]) request() any           { return nil }
func (*clientStreamCall[Req, Res]) spare() *DefaultReactor { return nil }

func (c *clientStreamCall[Req, Res]) serve() (*base, Reactions) {
	c.response = &c.res
	r := c.handler(&c.ctx, &c.res)
	if r == nil {
		return nil, nil
	}
	return &r.readBase().base, r
}

type bidiStreamCall[Req, Res any] struct {
	rpc
	handler func(*Context) BidiReactor[Req, Res]
}

func (*bidiStreamCall[Req, Res]) request() any           { return nil }
func (*bidiStreamCall[Req, Res]) spare() *DefaultReactor { return nil }

func (c *bidiStreamCall[Req, Res]) serve() (*base, Reactions) {
	r := c.handler(&c.ctx)
	if r == nil {
		return nil, nil
	}
	return &r.bidiBase().base, r
}
