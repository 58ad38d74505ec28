package grpccompat

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/frame"
)

// clientReport is what stats handlers are told of one call of a client. All methods may
// be called of nil, whom nobody observes.
type clientReport struct {
	observers
	ctx    context.Context //nolint:containedctx // that of the call, tagged
	method string
	begun  time.Time

	call     *call.Call // set before its first message; nil before there is one
	headOnce sync.Once
}

// observe begins a report, nil if nobody wants one.
func (cc *ClientConn) observe(
	ctx context.Context, desc *grpc.StreamDesc, method string, opts []grpc.CallOption,
) *clientReport {
	if len(cc.observers) == 0 {
		return nil
	}
	isFailFast := true
	for _, o := range opts {
		if f, ok := o.(grpc.FailFastCallOption); ok {
			isFailFast = f.FailFast
		}
	}
	r := &clientReport{observers: cc.observers, method: method, begun: time.Now()}
	r.ctx = r.tag(ctx, &stats.RPCTagInfo{FullMethodName: method, FailFast: isFailFast})
	r.tell(r.ctx, &stats.Begin{
		Client: true, BeginTime: r.begun, FailFast: isFailFast,
		IsClientStream: desc.ClientStreams, IsServerStream: desc.ServerStreams,
	})
	return r
}

// withPeer is the call's context with the other end, where that is known.
func (r *clientReport) withPeer() (context.Context, *peer.Peer) {
	p := toPeer(r.call.Peer())
	if p == nil {
		return r.ctx, new(peer.Peer)
	}
	return peer.NewContext(r.ctx, p), p
}

// sentHeader tells that the call has a connection.
func (r *clientReport) sentHeader(c *call.Call) {
	if r == nil {
		return
	}
	r.call = c
	ctx, p := r.withPeer()
	md, _ := metadata.FromOutgoingContext(r.ctx)
	r.tell(ctx, &stats.OutHeader{
		Client: true, Header: md, Authority: c.Authority(), FullMethod: r.method, RemoteAddr: p.Addr, LocalAddr: p.LocalAddr,
	})
}

func (r *clientReport) sent(m any) {
	if r != nil {
		n := r.call.Codec().Size(m)
		r.tell(r.ctx, &stats.OutPayload{
			Client: true, Payload: m, Length: n, CompressedLength: n, WireLength: n + frame.PrefixLen, SentTime: time.Now(),
		})
	}
}

// gotHeader tells of the response's headers, once, if it has any.
func (r *clientReport) gotHeader() {
	if r == nil || !r.call.HasInitialMetadata() {
		return
	}
	r.headOnce.Do(func() {
		ctx, p := r.withPeer()
		r.tell(ctx, &stats.InHeader{
			Client: true, Header: toMD(r.call.InitialMetadata()), FullMethod: r.method,
			RemoteAddr: p.Addr, LocalAddr: p.LocalAddr,
		})
	})
}

func (r *clientReport) got(m any) {
	if r != nil {
		n := r.call.Codec().Size(m)
		r.tell(r.ctx, &stats.InPayload{
			Client: true, Payload: m, Length: n, CompressedLength: n, WireLength: n + frame.PrefixLen, RecvTime: time.Now(),
		})
	}
}

// end tells the end. It is one of the functions of OnFinish, so it is called once.
func (r *clientReport) end(err error) {
	e := &stats.End{Client: true, BeginTime: r.begun, EndTime: time.Now(), Error: err}
	if r.call != nil {
		r.gotHeader() // perhaps no RecvMsg has come to it
		e.Trailer = toMD(r.call.TrailingMetadata())
		if theirs, ok := errors.AsType[*cqrpc.Error](err); err == nil || ok && theirs.Origin == cqrpc.OriginRemote {
			ctx, _ := r.withPeer()
			r.tell(ctx, &stats.InTrailer{Client: true, Trailer: e.Trailer})
		}
	}
	r.tell(r.ctx, e)
}
