package server_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	cqclient "github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/server"
)

// watch is what generated code would declare: a stream that lasts.
var watch = call.Method[emptypb.Empty, wrapperspb.StringValue]{Name: "/example.Clock/Watch", Shape: call.ServerStream}

// Shutdown waits for calls in progress. A stream that lasts would keep it waiting, so its
// handler looks at Stopping, too, and sends a status by which the client knows to come again.
func ExampleServer_Stopping() {
	s := server.New()
	err := s.Register(server.ServerStream(watch,
		func(ctx context.Context, _ *emptypb.Empty, out *server.Sender[wrapperspb.StringValue]) error {
			if err := out.Send(wrapperspb.String("twelve")); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-s.Stopping():
				return cqrpc.Errorf(cqrpc.CodeUnavailable, "the server is about to end")
			}
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()

	ch, err := cqclient.NewChannel(lis.Addr().String(), cqclient.WithInsecure())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	stream, err := cqclient.ServerStream(context.Background(), ch, watch, &emptypb.Empty{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	for hour, err := range stream.All() {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(hour.GetValue())
		go func() { ended <- s.Shutdown(context.Background()) }()
	}
	fmt.Println(<-ended, <-served)
	// Output:
	// twelve
	// UNAVAILABLE: the server is about to end
	// <nil> server: closed
}
