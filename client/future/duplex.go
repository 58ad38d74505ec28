package future

import (
	"context"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/internal/station"
)

// ClientStream calls a method with many requests and one response. It never
// fails by itself: what is wrong is the error of the response, and of the sink.
func ClientStream[Req, Res any](
	ctx context.Context, s *Stub, m call.Method[Req, Res], opts ...client.CallOption,
) (*Sink[Req], *Response[Res]) {
	a := newAnswer[Res]()
	err := a.prepare(ctx, s, m.Name, true, opts, a)
	a.out.bind(&a.rpc)
	if err == nil {
		ops := [...]call.Op{
			call.SendInitialMetadata(a.prepared.Metadata), call.RecvValue(a.res, nil), call.RecvStatus(nil, nil),
		}
		err = a.launch((*answering[Res])(a), ops[:])
	}
	if err != nil {
		a.out.over(err)
		a.promise.Fail(err)
	}
	sink := &Sink[Req]{&a.out}
	station.Guard(a.home, sink, a)
	return sink, &a.response
}

// BidiStream calls a method with many requests and many responses. It never
// fails by itself: what is wrong is the error of the first Next, and of the sink.
func BidiStream[Req, Res any](
	ctx context.Context, s *Stub, m call.Method[Req, Res], opts ...client.CallOption,
) (*Sink[Req], *Stream[Res]) {
	r := new(receiving[Res])
	err := r.prepare(ctx, s, m.Name, false, opts, r)
	r.half.Bind(r.prepared.Call, s.home.Queue(), nil)
	r.out.bind(&r.rpc)
	if err == nil {
		ops := [...]call.Op{call.SendInitialMetadata(r.prepared.Metadata), call.RecvStatus(nil, nil)}
		err = r.launch((*concluding[Res])(r), ops[:])
	}
	if err != nil {
		r.out.over(err)
		r.half.Reject(err)
	}
	sink := &Sink[Req]{&r.out}
	station.Guard(r.home, sink, r)
	return sink, r.stream()
}
