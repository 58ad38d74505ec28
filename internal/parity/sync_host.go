package parity

import (
	"context"
	"net"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/server"
)

func serveSync(t *testing.T, lis net.Listener, c *Credentials, s Serving) (drain, stop func()) {
	srv := newServer(c, s)
	for _, r := range s.all() {
		Want(t, "Register", srv.Register(r.onSync()))
	}
	return Run(t, srv, lis, func() {})
}

func (r *route[Req, Res]) onSync() server.Handler {
	switch {
	case r.unary != nil:
		return server.Unary(r.method, func(ctx context.Context, req *Req) (*Res, error) {
			return r.unary(syncCall{ctx}, req)
		})
	case r.serverStream != nil:
		return server.ServerStream(r.method, func(ctx context.Context, req *Req, out *server.Sender[Res]) error {
			return r.serverStream(syncCall{ctx}, req, out)
		})
	case r.clientStream != nil:
		return server.ClientStream(r.method, func(ctx context.Context, in *server.Receiver[Req]) (*Res, error) {
			return r.clientStream(syncCall{ctx}, in)
		})
	}
	return server.BidiStream(r.method,
		func(ctx context.Context, in *server.Receiver[Req], out *server.Sender[Res]) error {
			return r.bidiStream(syncCall{ctx}, in, out)
		})
}

// syncCall is the context of a handler, through which the sync style gives all
// but the messages.
type syncCall struct {
	ctx context.Context //nolint:containedctx // the sync style keys its calls by context
}

func (c syncCall) info() server.Info {
	info, _ := server.Incoming(c.ctx)
	return info
}

func (c syncCall) Context() context.Context           { return c.ctx }
func (c syncCall) Metadata() cqrpc.Metadata           { return c.info().Metadata }
func (c syncCall) Authority() string                  { return c.info().Authority }
func (c syncCall) Peer() string                       { return c.info().Peer.Addr.String() }
func (c syncCall) SetHeader(md cqrpc.Metadata) error  { return server.SetHeader(c.ctx, md) }
func (c syncCall) SendHeader(md cqrpc.Metadata) error { return server.SendHeader(c.ctx, md) }
func (c syncCall) SetTrailer(md cqrpc.Metadata) error { return server.SetTrailer(c.ctx, md) }
func (c syncCall) TryCancel()                         { c.ctx.(*server.Context).TryCancel() }
