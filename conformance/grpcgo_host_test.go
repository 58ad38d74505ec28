package conformance

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/parity"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/orca"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// serveGRPCGo serves the service and, for the reference cases, the reference's
// own TestService.
func serveGRPCGo(t *testing.T, lis net.Listener, c *parity.Credentials, s parity.Serving) (drain, stop func()) {
	srv := grpc.NewServer(append(grpcgoOptions(c, s), orca.CallMetricsServerOption(nil))...)
	srv.RegisterService(&grpcgoService, s.OrStandard())
	load := orca.NewServerMetricsRecorder()
	parity.Want(t, "orca", orca.Register(srv, orca.ServiceOptions{ServerMetricsProvider: load}))
	testpb.RegisterTestServiceServer(srv, interop.NewTestServer(interop.NewTestServerOptions{MetricsRecorder: load}))
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

func grpcgoOptions(c *parity.Credentials, s parity.Serving) []grpc.ServerOption {
	var opts []grpc.ServerOption
	if c != nil {
		opts = append(opts, grpc.Creds(grpccredentials.NewTLS(c.Server())))
	}
	if s.MaxRecv != 0 {
		opts = append(opts, grpc.MaxRecvMsgSize(s.MaxRecv))
	}
	if s.MaxSend != 0 {
		opts = append(opts, grpc.MaxSendMsgSize(s.MaxSend))
	}
	if s.Gzip {
		opts = append(opts, grpc.UnaryInterceptor(gzipUnary), grpc.StreamInterceptor(gzipStream))
	}
	if s.Window != 0 {
		opts = append(opts, grpc.StaticStreamWindowSize(int32(s.Window)), grpc.StaticConnWindowSize(1<<20))
	}
	if s.MaxStreams != 0 {
		opts = append(opts, grpc.MaxConcurrentStreams(uint32(s.MaxStreams)))
	}
	if s.MaxHeaderList != 0 {
		opts = append(opts, grpc.MaxHeaderListSize(uint32(s.MaxHeaderList)))
	}
	if s.Pings {
		opts = append(opts, grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Second, Timeout: parity.Patience}))
	}
	return opts
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

// grpcgoService is what generated code would be.
var grpcgoService = grpc.ServiceDesc{
	ServiceName: parity.ServiceName,
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Ping", Handler: grpcgoUnary(func(s *parity.Service) unaryFunc { return s.Ping })},
		{MethodName: "Unary", Handler: grpcgoUnary(func(s *parity.Service) unaryFunc { return s.Unary })},
	},
	Streams: []grpc.StreamDesc{
		{StreamName: "ServerStream", ServerStreams: true, Handler: grpcgoServerStream},
		{StreamName: "ClientStream", ClientStreams: true, Handler: grpcgoClientStream},
		{StreamName: "BidiStream", ServerStreams: true, ClientStreams: true, Handler: grpcgoBidiStream},
	},
}

type unaryFunc = func(parity.Call, []byte) ([]byte, error)

func grpcgoUnary(pick func(*parity.Service) unaryFunc) grpc.MethodHandler {
	return func(srv any, ctx context.Context, dec func(any) error, wrap grpc.UnaryServerInterceptor) (any, error) {
		req := new(parity.Message)
		if err := dec(req); err != nil {
			return nil, err
		}
		handle := func(ctx context.Context, req any) (any, error) {
			res, err := pick(srv.(*parity.Service))(grpcgoContext{ctx}, req.(*parity.Message).GetValue())
			if err != nil {
				return nil, toGRPCGo(err)
			}
			return &parity.Message{Value: res}, nil
		}
		if wrap == nil {
			return handle(ctx, req)
		}
		return wrap(ctx, req, &grpc.UnaryServerInfo{Server: srv}, handle)
	}
}

func grpcgoServerStream(srv any, s grpc.ServerStream) error {
	req, err := grpcgoStream{s}.Recv()
	if err != nil {
		return toGRPCGo(err)
	}
	return toGRPCGo(srv.(*parity.Service).ServerStream(grpcgoContext{s.Context()}, req, grpcgoStream{s}))
}

func grpcgoClientStream(srv any, s grpc.ServerStream) error {
	res, err := srv.(*parity.Service).ClientStream(grpcgoContext{s.Context()}, grpcgoStream{s})
	if err != nil {
		return toGRPCGo(err)
	}
	return s.SendMsg(&parity.Message{Value: res})
}

func grpcgoBidiStream(srv any, s grpc.ServerStream) error {
	return toGRPCGo(srv.(*parity.Service).BidiStream(grpcgoContext{s.Context()}, grpcgoStream{s}, grpcgoStream{s}))
}

// grpcgoStream translates errors, so that a handler that returns what it got
// from Recv or Send ends with that status.
type grpcgoStream struct{ stream grpc.ServerStream }

func (s grpcgoStream) Recv() ([]byte, error) {
	req := new(parity.Message)
	err := s.stream.RecvMsg(req)
	return req.GetValue(), fromGRPCGo(err)
}

func (s grpcgoStream) Send(res []byte) error {
	return fromGRPCGo(s.stream.SendMsg(&parity.Message{Value: res}))
}

// grpcgoContext is the context of a handler.
type grpcgoContext struct{ ctx context.Context }

func (c grpcgoContext) Context() context.Context { return c.ctx }

func (c grpcgoContext) Metadata() cqrpc.Metadata {
	md, _ := metadata.FromIncomingContext(c.ctx)
	return fromMD(md)
}

func (c grpcgoContext) Authority() string {
	for _, v := range metadata.ValueFromIncomingContext(c.ctx, ":authority") {
		return v
	}
	return ""
}

func (c grpcgoContext) Peer() string {
	p, ok := peer.FromContext(c.ctx)
	if !ok {
		return ""
	}
	return p.Addr.String()
}

func (c grpcgoContext) SetHeader(md cqrpc.Metadata) error  { return grpc.SetHeader(c.ctx, toMD(md)) }
func (c grpcgoContext) SendHeader(md cqrpc.Metadata) error { return grpc.SendHeader(c.ctx, toMD(md)) }
func (c grpcgoContext) SetTrailer(md cqrpc.Metadata) error { return grpc.SetTrailer(c.ctx, toMD(md)) }

// TryCancel is not to be had, as grpcgoHost says.
func (c grpcgoContext) TryCancel() { panic("BUG: grpc-go has no TryCancel") }

// toGRPCGo turns our errors into the reference's.
func toGRPCGo(err error) error {
	if err == nil {
		return nil
	}
	st := cqrpc.StatusOf(err)
	return status.FromProto(&spb.Status{Code: int32(st.Code), Message: st.Message, Details: st.Details}).Err()
}
