package reactor

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
)

// Unary makes a call with one request and one response and starts it. done runs
// once, when res is filled or the call has failed, and never inside Unary; it
// may start other calls; nil is for who does not want to know. req may be reused when
// Unary returns. res may be nil, as for the other shapes: then the response is dropped.
func Unary[Req, Res any](
	ctx context.Context, s *Stub, m call.Method[Req, Res], req *Req, res *Res, done func(cqrpc.Status),
	opts ...client.CallOption,
) {
	r := &callback{done: done}
	UnaryWith(ctx, s, m, req, res, r, opts...)
	r.StartCall()
}

// callback is the reactor of Unary.
type callback struct {
	UnaryBase
	done func(cqrpc.Status)
}

func (c *callback) OnDone(st cqrpc.Status) {
	if c.done != nil {
		c.done(st)
	}
}

// UnaryWith gives r a call with one request and one response. It takes effect
// with r.StartCall, which marshals req; res belongs to the library until OnDone. The
// call ends when ctx does.
func UnaryWith[Req, Res any](
	ctx context.Context, s *Stub, m call.Method[Req, Res], req *Req, res *Res, r UnaryReactor,
	opts ...client.CallOption,
) {
	b := &r.unaryBase().base
	b.bind(ctx, s, m.Name, call.Unary, r, opts)
	b.request, b.response = req, target(res)
	b.publish()
}

// ServerStream gives r a call with one request and many responses. It takes
// effect with r.StartCall, which marshals req. The call ends when ctx does.
func ServerStream[Req, Res any](
	ctx context.Context, s *Stub, m call.Method[Req, Res], req *Req, r ReadReactor[Res], opts ...client.CallOption,
) {
	b := &r.readBase().base
	b.bind(ctx, s, m.Name, call.ServerStream, r, opts)
	b.request = req
	b.publish()
}

// ClientStream gives r a call with many requests and one response. It takes
// effect with r.StartCall; res belongs to the library until OnDone. The call ends when
// ctx does.
func ClientStream[Req, Res any](
	ctx context.Context, s *Stub, m call.Method[Req, Res], res *Res, r WriteReactor[Req], opts ...client.CallOption,
) {
	b := &r.writeBase().base
	b.bind(ctx, s, m.Name, call.ClientStream, r, opts)
	b.response = target(res)
	b.publish()
}

// BidiStream gives r a call with many requests and many responses. It takes
// effect with r.StartCall. The call ends when ctx does.
func BidiStream[Req, Res any](
	ctx context.Context, s *Stub, m call.Method[Req, Res], r BidiReactor[Req, Res], opts ...client.CallOption,
) {
	b := &r.bidiBase().base
	b.bind(ctx, s, m.Name, call.BidiStream, r, opts)
	b.publish()
}

// target is where the one response goes. It is received in any case, because a call
// without it does not end with OK.
func target[Res any](res *Res) *Res {
	if res == nil {
		return new(Res)
	}
	return res
}
