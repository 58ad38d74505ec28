// Grpcgo is the server of package cqrpc beside this one, with grpc-go. The
// service is described by hand, in the way of generated code, and StringValue
// has the bytes of the Greeter's messages: no code of cqrpc gets in.
package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type greeterServer interface {
	SayHello(ctx context.Context, req *wrapperspb.StringValue) (*wrapperspb.StringValue, error)
}

type greeter struct{}

// SayHello implements greeterServer.
func (greeter) SayHello(_ context.Context, req *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	return wrapperspb.String("Hello " + req.GetValue()), nil
}

var greeterDesc = grpc.ServiceDesc{
	ServiceName: "helloworld.Greeter",
	HandlerType: (*greeterServer)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "SayHello", Handler: sayHello}},
	Metadata:    "greeter.proto",
}

func sayHello(
	srv any, ctx context.Context, decode func(any) error, //nolint:revive // a type of grpc-go
	interceptor grpc.UnaryServerInterceptor,
) (any, error) {
	req := new(wrapperspb.StringValue)
	if err := decode(req); err != nil {
		return nil, err
	}
	if interceptor == nil {
		return srv.(greeterServer).SayHello(ctx, req)
	}
	info := &grpc.UnaryServerInfo{Server: srv, FullMethod: "/helloworld.Greeter/SayHello"}
	return interceptor(ctx, req, info, func(ctx context.Context, req any) (any, error) {
		return srv.(greeterServer).SayHello(ctx, req.(*wrapperspb.StringValue))
	})
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	s := grpc.NewServer()
	s.RegisterService(&greeterDesc, greeter{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(lis.Addr())
	return s.Serve(lis)
}
