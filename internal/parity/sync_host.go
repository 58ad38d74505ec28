package parity

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/server"
)

func mountSync(srv *server.Server, routes []Route) (wait func() error, err error) {
	for _, r := range routes {
		if err := srv.Register(r.onSync()); err != nil {
			return nil, err
		}
	}
	return func() error { return nil }, nil
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
