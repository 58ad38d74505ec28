package reactor

import (
	"sync"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/internal/reaction"
	"github.com/cqrpc/cqrpc/server"
)

// Unary serves m with f, which fills the response and returns the reactor whose
// Finish sends it; nil ends the call with UNIMPLEMENTED. The request is received before
// f is called. Both messages stay valid as long as they are referred to, unless the
// method is [Reusing].
func Unary[Req, Res any](
	m call.Method[Req, Res], f func(*Context, *Req, *Res) UnaryReactor, opts ...Option,
) server.Handler {
	h := newMethod(f, opts)
	return server.NewHandler(m.Name, call.Unary, func(a server.Accepted) {
		c := takeUnary(h)
		c.accept(a, c)
	})
}

// ServerStream serves m with f, which returns the reactor that writes the
// responses; nil ends the call with UNIMPLEMENTED. The request is received before f is
// called, and stays valid as long as it is referred to.
func ServerStream[Req, Res any](
	m call.Method[Req, Res], f func(*Context, *Req) WriteReactor[Res], opts ...Option,
) server.Handler {
	h := newMethod(f, opts)
	return server.NewHandler(m.Name, call.ServerStream, func(a server.Accepted) {
		c := &serverStreamCall[Req, Res]{method: h}
		c.accept(a, c)
	})
}

// ClientStream serves m with f, which returns the reactor that reads the
// requests, fills the response and whose Finish sends it; nil ends the call with
// UNIMPLEMENTED.
func ClientStream[Req, Res any](
	m call.Method[Req, Res], f func(*Context, *Res) ReadReactor[Req], opts ...Option,
) server.Handler {
	h := newMethod(f, opts)
	return server.NewHandler(m.Name, call.ClientStream, func(a server.Accepted) {
		c := &clientStreamCall[Req, Res]{method: h}
		c.accept(a, c)
	})
}

// BidiStream serves m with f, which returns the reactor that reads the requests
// and writes the responses; nil ends the call with UNIMPLEMENTED.
func BidiStream[Req, Res any](
	m call.Method[Req, Res], f func(*Context) BidiReactor[Req, Res], opts ...Option,
) server.Handler {
	h := newMethod(f, opts)
	return server.NewHandler(m.Name, call.BidiStream, func(a server.Accepted) {
		c := &bidiStreamCall[Req, Res]{method: h}
		c.accept(a, c)
	})
}

// Generic serves all methods that are not registered, with messages as bytes. The
// context knows the method.
func Generic(f func(*Context) BidiReactor[[]byte, []byte], opts ...Option) server.Handler {
	return BidiStream(call.Method[[]byte, []byte]{Shape: call.BidiStream}, f, opts...)
}

// method is what the calls of a method share.
type method[F any] struct {
	// immutable
	loop      *reaction.Loop
	isReusing bool
	handler   F

	spares sync.Pool // calls whose memory is free, if isReusing
}

func newMethod[F any](f F, opts []Option) *method[F] {
	c := newConfig(opts)
	return &method[F]{loop: reaction.NewLoop(c.executor), isReusing: c.isReusing, handler: f}
}

// unaryCall is one call of a handler of Unary, and likewise below.
type unaryCall[Req, Res any] struct {
	rpc
	method   *method[func(*Context, *Req, *Res) UnaryReactor]
	arrived  arrival
	req      Req
	res      Res
	reactor  DefaultReactor
	refCount refs // if method.isReusing
}

// takeUnary returns a call that is zero but for its method and what is in its request.
func takeUnary[Req, Res any](m *method[func(*Context, *Req, *Res) UnaryReactor]) *unaryCall[Req, Res] {
	if !m.isReusing {
		return &unaryCall[Req, Res]{method: m}
	}
	c, ok := m.spares.Get().(*unaryCall[Req, Res])
	if !ok {
		c = &unaryCall[Req, Res]{method: m}
	}
	c.refCount.init()
	return c
}

func (c *unaryCall[Req, Res]) refs() *refs {
	if !c.method.isReusing {
		return nil
	}
	return &c.refCount
}

func (c *unaryCall[Req, Res]) recycle() {
	var none Res
	c.rpc, c.arrived, c.res, c.reactor, c.refCount = rpc{}, arrival{}, none, DefaultReactor{}, refs{}
	c.method.spares.Put(c)
}

func (c *unaryCall[Req, Res]) home() *reaction.Loop   { return c.method.loop }
func (c *unaryCall[Req, Res]) arrival() *arrival      { return &c.arrived }
func (c *unaryCall[Req, Res]) request() any           { return &c.req }
func (c *unaryCall[Req, Res]) response() any          { return &c.res }
func (c *unaryCall[Req, Res]) spare() *DefaultReactor { return &c.reactor }

func (c *unaryCall[Req, Res]) serve() (*base, Reactions) {
	r := c.method.handler(&c.ctx, &c.req, &c.res)
	if r == nil {
		return nil, nil
	}
	return &r.unaryBase().base, r
}

type serverStreamCall[Req, Res any] struct {
	rpc
	method  *method[func(*Context, *Req) WriteReactor[Res]]
	arrived arrival
	req     Req
}

func (c *serverStreamCall[Req, Res]) home() *reaction.Loop { return c.method.loop }
func (c *serverStreamCall[Req, Res]) arrival() *arrival    { return &c.arrived }
func (c *serverStreamCall[Req, Res]) request() any         { return &c.req }
func (*serverStreamCall[Req, Res]) response() any          { return nil }
func (*serverStreamCall[Req, Res]) spare() *DefaultReactor { return nil }
func (*serverStreamCall[Req, Res]) refs() *refs            { return nil }
func (*serverStreamCall[Req, Res]) recycle()               {}

func (c *serverStreamCall[Req, Res]) serve() (*base, Reactions) {
	r := c.method.handler(&c.ctx, &c.req)
	if r == nil {
		return nil, nil
	}
	return &r.writeBase().base, r
}

type clientStreamCall[Req, Res any] struct {
	rpc
	method *method[func(*Context, *Res) ReadReactor[Req]]
	res    Res
}

func (c *clientStreamCall[Req, Res]) home() *reaction.Loop { return c.method.loop }
func (*clientStreamCall[Req, Res]) arrival() *arrival      { return nil }
func (*clientStreamCall[Req, Res]) request() any           { return nil }
func (c *clientStreamCall[Req, Res]) response() any        { return &c.res }
func (*clientStreamCall[Req, Res]) spare() *DefaultReactor { return nil }
func (*clientStreamCall[Req, Res]) refs() *refs            { return nil }
func (*clientStreamCall[Req, Res]) recycle()               {}

func (c *clientStreamCall[Req, Res]) serve() (*base, Reactions) {
	r := c.method.handler(&c.ctx, &c.res)
	if r == nil {
		return nil, nil
	}
	return &r.readBase().base, r
}

type bidiStreamCall[Req, Res any] struct {
	rpc
	method *method[func(*Context) BidiReactor[Req, Res]]
}

func (c *bidiStreamCall[Req, Res]) home() *reaction.Loop { return c.method.loop }
func (*bidiStreamCall[Req, Res]) arrival() *arrival      { return nil }
func (*bidiStreamCall[Req, Res]) request() any           { return nil }
func (*bidiStreamCall[Req, Res]) response() any          { return nil }
func (*bidiStreamCall[Req, Res]) spare() *DefaultReactor { return nil }
func (*bidiStreamCall[Req, Res]) refs() *refs            { return nil }
func (*bidiStreamCall[Req, Res]) recycle()               {}

func (c *bidiStreamCall[Req, Res]) serve() (*base, Reactions) {
	r := c.method.handler(&c.ctx)
	if r == nil {
		return nil, nil
	}
	return &r.bidiBase().base, r
}
