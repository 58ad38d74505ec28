package conformance

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func serveGRPCGo(t *testing.T, lis net.Listener, c *credentials, s serving) (drain, stop func()) {
	var opts []grpc.ServerOption
	if c != nil {
		opts = append(opts, grpc.Creds(grpccredentials.NewTLS(c.server())))
	}
	if s.maxRecv != 0 {
		opts = append(opts, grpc.MaxRecvMsgSize(s.maxRecv))
	}
	if s.maxSend != 0 {
		opts = append(opts, grpc.MaxSendMsgSize(s.maxSend))
	}
	if s.gzip {
		opts = append(opts, grpc.UnaryInterceptor(gzipUnary), grpc.StreamInterceptor(gzipStream))
	}
	if s.window != 0 {
		opts = append(opts, grpc.StaticStreamWindowSize(int32(s.window)), grpc.StaticConnWindowSize(1<<20))
	}
	if s.maxStreams != 0 {
		opts = append(opts, grpc.MaxConcurrentStreams(uint32(s.maxStreams)))
	}
	if s.pings {
		opts = append(opts, grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Second, Timeout: time.Second}))
	}
	srv := grpc.NewServer(opts...)
	if s.service == nil {
		testpb.RegisterTestServiceServer(srv, interop.NewTestServer())
	} else {
		testpb.RegisterTestServiceServer(srv, grpcgoService{service: s.service})
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		// A test may have been done before Serve has begun.
		if err := srv.Serve(lis); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	}()
	return srv.GracefulStop, func() { srv.Stop(); <-served }
}

func gzipUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if err := grpc.SetSendCompressor(ctx, gzip.Name); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

func gzipStream(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if err := grpc.SetSendCompressor(s.Context(), gzip.Name); err != nil {
		return err
	}
	return next(srv, s)
}

// grpcgoService puts our service on the reference's server.
type grpcgoService struct {
	testpb.UnimplementedTestServiceServer
	service *testservice.Service
}

func (s grpcgoService) EmptyCall(ctx context.Context, req *testpb.Empty) (*testpb.Empty, error) {
	res, err := s.service.EmptyCall(grpcgoCall{ctx}, req)
	return res, toGRPCGo(err)
}

func (s grpcgoService) UnaryCall(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	res, err := s.service.UnaryCall(grpcgoCall{ctx}, req)
	return res, toGRPCGo(err)
}

func (s grpcgoService) StreamingOutputCall(
	req *outputRequest, out grpc.ServerStreamingServer[outputResponse],
) error {
	return toGRPCGo(s.service.StreamingOutputCall(grpcgoCall{out.Context()}, req, grpcgoSender{out}))
}

func (s grpcgoService) StreamingInputCall(in grpc.ClientStreamingServer[inputRequest, inputResponse]) error {
	res, err := s.service.StreamingInputCall(grpcgoCall{in.Context()}, grpcgoReceiver[inputRequest]{in})
	if err != nil {
		return toGRPCGo(err)
	}
	return in.SendAndClose(res)
}

func (s grpcgoService) FullDuplexCall(both grpc.BidiStreamingServer[outputRequest, outputResponse]) error {
	return toGRPCGo(s.service.FullDuplexCall(
		grpcgoCall{both.Context()}, grpcgoReceiver[outputRequest]{both}, grpcgoSender{both}))
}

func (s grpcgoService) HalfDuplexCall(both grpc.BidiStreamingServer[outputRequest, outputResponse]) error {
	return toGRPCGo(s.service.HalfDuplexCall(
		grpcgoCall{both.Context()}, grpcgoReceiver[outputRequest]{both}, grpcgoSender{both}))
}

// grpcgoReceiver and grpcgoSender translate errors, so that a handler that
// returns what it got from Recv or Send ends with that status.
type grpcgoReceiver[Req any] struct{ in testservice.Receiver[Req] }

func (r grpcgoReceiver[Req]) Recv() (*Req, error) {
	req, err := r.in.Recv()
	return req, fromGRPCGo(err)
}

type grpcgoSender struct {
	out testservice.Sender[outputResponse]
}

func (s grpcgoSender) Send(res *outputResponse) error { return fromGRPCGo(s.out.Send(res)) }

// grpcgoCall is the context of a handler.
type grpcgoCall struct{ ctx context.Context }

func (c grpcgoCall) Context() context.Context { return c.ctx }

func (c grpcgoCall) Metadata() cqrpc.Metadata {
	md, _ := metadata.FromIncomingContext(c.ctx)
	return fromMD(md)
}

func (c grpcgoCall) SetHeader(md cqrpc.Metadata) error  { return grpc.SetHeader(c.ctx, toMD(md)) }
func (c grpcgoCall) SendHeader(md cqrpc.Metadata) error { return grpc.SendHeader(c.ctx, toMD(md)) }
func (c grpcgoCall) SetTrailer(md cqrpc.Metadata) error { return grpc.SetTrailer(c.ctx, toMD(md)) }

// toGRPCGo turns our errors into the reference's.
func toGRPCGo(err error) error {
	if err == nil {
		return nil
	}
	st := cqrpc.StatusOf(err)
	return status.FromProto(&spb.Status{Code: int32(st.Code), Message: st.Message, Details: st.Details}).Err()
}
