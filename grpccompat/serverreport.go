package grpccompat

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/frame"
)

// serverReport is what stats handlers are told of one call of a server. All methods may
// be called of nil, whom nobody observes.
type serverReport struct {
	observers
	ctx   context.Context //nolint:containedctx // that of the call, tagged
	call  *call.Call
	begun time.Time

	mu sync.Mutex
	// guarded by mu
	header, trailer metadata.MD // as the handler has set them
	isHeaderSent    bool
}

// observe begins a report, nil if nobody wants one. ctx is incoming's.
func (o observers) observe(ctx context.Context, k *call.Call, desc *grpc.StreamDesc) *serverReport {
	if len(o) == 0 {
		return nil
	}
	r := &serverReport{observers: o, call: k, begun: time.Now()}
	r.ctx = o.tag(ctx, &stats.RPCTagInfo{FullMethodName: k.Method()})
	md, _ := metadata.FromIncomingContext(r.ctx)
	p := k.Peer()
	r.tell(r.ctx, &stats.InHeader{FullMethod: k.Method(), RemoteAddr: p.Addr, LocalAddr: p.LocalAddr, Header: md})
	r.tell(r.ctx, &stats.Begin{
		BeginTime: r.begun, IsClientStream: desc.ClientStreams, IsServerStream: desc.ServerStreams,
	})
	return r
}

func (r *serverReport) addHeader(md metadata.MD) {
	if r != nil {
		r.mu.Lock()
		r.header = metadata.Join(r.header, md)
		r.mu.Unlock()
	}
}

func (r *serverReport) addTrailer(md metadata.MD) {
	if r != nil {
		r.mu.Lock()
		r.trailer = metadata.Join(r.trailer, md)
		r.mu.Unlock()
	}
}

// sentHeader tells of the response's headers, once.
func (r *serverReport) sentHeader() {
	if r == nil {
		return
	}
	r.mu.Lock()
	isDue, md := !r.isHeaderSent, r.header
	r.isHeaderSent = true
	r.mu.Unlock()
	if isDue {
		r.tell(r.ctx, &stats.OutHeader{Header: md})
	}
}

func (r *serverReport) sent(m any) {
	if r != nil {
		r.sentHeader()
		n := r.call.Codec().Size(m)
		r.tell(r.ctx, &stats.OutPayload{
			Payload: m, Length: n, CompressedLength: n, WireLength: n + frame.PrefixLen, SentTime: time.Now(),
		})
	}
}

func (r *serverReport) got(m any) {
	if r != nil {
		n := r.call.Codec().Size(m)
		r.tell(r.ctx, &stats.InPayload{
			Payload: m, Length: n, CompressedLength: n, WireLength: n + frame.PrefixLen, RecvTime: time.Now(),
		})
	}
}

// end tells the end: err is what the handler has returned, and what is sent unless the
// call has ended before. Headers that were set go with it.
func (r *serverReport) end(err error) {
	r.mu.Lock()
	hasHeader, md := len(r.header) > 0, r.trailer
	r.mu.Unlock()
	if !r.call.Finished() {
		if hasHeader {
			r.sentHeader()
		}
		r.tell(r.ctx, &stats.OutTrailer{Trailer: md})
	}
	e := &stats.End{BeginTime: r.begun, EndTime: time.Now()}
	if err != nil {
		e.Error = toGRPC(&cqrpc.Error{Status: cqrpc.StatusOf(err), Cause: err})
	}
	r.tell(r.ctx, e)
}
