package server_test

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	cqclient "github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/server"
)

// countdown is what generated code would declare.
var countdown = call.Method[wrapperspb.UInt32Value, wrapperspb.UInt32Value]{
	Name: "/example.Clock/CountDown", Shape: call.ServerStream,
}

// A method with one request and many responses, in the sync style. Send waits while the client does not
// take what it is sent. What the function returns ends the call; responses that were sent before an error
// still arrive.
func ExampleServerStream() {
	s := server.New()
	err := s.Register(server.ServerStream(countdown, func(
		_ context.Context, from *wrapperspb.UInt32Value, out *server.Sender[wrapperspb.UInt32Value],
	) error {
		for n := from.Value; n > 0; n-- {
			if err := out.Send(wrapperspb.UInt32(n)); err != nil {
				return err // the client is gone
			}
		}
		return cqrpc.Errorf(cqrpc.CodeAborted, "no lift-off")
	}))
	if err != nil {
		fmt.Println(err)
		return
	}

	ch, err := cqclient.NewChannel("memory", cqclient.WithInsecure(), cqclient.WithDialer(s.Dial))
	if err != nil {
		fmt.Println(err)
		return
	}
	stream, err := cqclient.ServerStream(context.Background(), ch, countdown, wrapperspb.UInt32(3))
	if err != nil {
		fmt.Println(err)
		return
	}
	for n, err := range stream.All() {
		fmt.Println(n.GetValue(), err)
	}
	fmt.Println(ch.Close(), s.Shutdown(context.Background()))
	// Output:
	// 3 <nil>
	// 2 <nil>
	// 1 <nil>
	// 0 ABORTED: no lift-off
	// <nil> <nil>
}
