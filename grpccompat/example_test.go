package grpccompat_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/grpccompat"
	"github.com/cqrpc/cqrpc/server"
)

// checker implements a service that protoc-gen-go-grpc has generated code for: gRPC's
// health service, as it comes with grpc-go.
type checker struct {
	healthpb.UnimplementedHealthServer
}

func (checker) Check(ctx context.Context, req *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if req.GetService() != "" {
		return nil, status.Errorf(codes.NotFound, "no service %q", req.GetService())
	}
	who := metadata.ValueFromIncomingContext(ctx, "who")
	if err := grpc.SetHeader(ctx, metadata.Pairs("greeting", "hello "+who[0])); err != nil {
		return nil, err
	}
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

// logged is an interceptor as there are many.
func logged(
	ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler,
) (any, error) {
	res, err := next(ctx, req)
	slog.DebugContext(ctx, "served", "method", info.FullMethod, "code", status.Code(err))
	return res, err
}

// Generated code and all that is written for it stay as they are. What is new is how the
// server and the connection are made.
func Example() {
	s := server.New()
	healthpb.RegisterHealthServer(grpccompat.NewRegistrar(s, grpccompat.UnaryInterceptor(logged)), checker{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = s.Serve(lis) }()
	defer s.Close()

	ch, err := client.NewChannel(lis.Addr().String(), client.WithInsecure())
	if err != nil {
		panic(err)
	}
	defer ch.Close()
	stub := healthpb.NewHealthClient(grpccompat.NewClientConn(ch))

	ctx := metadata.AppendToOutgoingContext(context.Background(), "who", "gopher")
	var header metadata.MD
	res, err := stub.Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Header(&header))
	fmt.Println(res.GetStatus(), header.Get("greeting"), err)

	_, err = stub.Check(ctx, &healthpb.HealthCheckRequest{Service: "moon"})
	fmt.Println(status.Code(err), status.Convert(err).Message())
	// Output:
	// SERVING [hello gopher] <nil>
	// NotFound no service "moon"
}
