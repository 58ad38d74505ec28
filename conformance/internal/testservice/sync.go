package testservice

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/server"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// Handlers returns the service in the sync style, for server.Register.
func (s *Service) Handlers() []server.Handler {
	return []server.Handler{
		server.Unary(EmptyCall, func(ctx context.Context, req *testpb.Empty) (*testpb.Empty, error) {
			return s.EmptyCall(syncCall{ctx}, req)
		}),
		server.Unary(UnaryCall, func(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return s.UnaryCall(syncCall{ctx}, req)
		}),
		server.ServerStream(StreamingOutputCall,
			func(ctx context.Context, req *OutputRequest, out *server.Sender[OutputResponse]) error {
				return s.StreamingOutputCall(syncCall{ctx}, req, out)
			}),
		server.ClientStream(StreamingInputCall,
			func(ctx context.Context, in *server.Receiver[InputRequest]) (*InputResponse, error) {
				return s.StreamingInputCall(syncCall{ctx}, in)
			}),
		duplex(FullDuplexCall, s.FullDuplexCall),
		duplex(HalfDuplexCall, s.HalfDuplexCall),
	}
}

func duplex[Req, Res any](m call.Method[Req, Res], f func(Call, Receiver[Req], Sender[Res]) error) server.Handler {
	return server.BidiStream(m, func(ctx context.Context, in *server.Receiver[Req], out *server.Sender[Res]) error {
		return f(syncCall{ctx}, in, out)
	})
}

// syncCall is the context of a handler, through which the sync style gives all
// but the messages.
type syncCall struct {
	ctx context.Context //nolint:containedctx // the sync style keys its calls by context
}

func (c syncCall) Context() context.Context { return c.ctx }

func (c syncCall) Metadata() cqrpc.Metadata {
	info, _ := server.Incoming(c.ctx)
	return info.Metadata
}

func (c syncCall) SetHeader(md cqrpc.Metadata) error  { return server.SetHeader(c.ctx, md) }
func (c syncCall) SendHeader(md cqrpc.Metadata) error { return server.SendHeader(c.ctx, md) }
func (c syncCall) SetTrailer(md cqrpc.Metadata) error { return server.SetTrailer(c.ctx, md) }
