package server_test

import (
	"context"
	"fmt"
	"io"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	cqclient "github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/server"
)

// sum is what generated code would declare.
var sum = call.Method[wrapperspb.UInt32Value, wrapperspb.UInt64Value]{
	Name: "/example.Adder/Sum", Shape: call.ClientStream,
}

// A method with many requests and one response, in the sync style. The function may return, with a
// response or an error, before the client has sent all; the client's Send then says io.EOF.
func ExampleClientStream() {
	s := server.New()
	err := s.Register(server.ClientStream(sum, func(
		_ context.Context, in *server.Receiver[wrapperspb.UInt32Value],
	) (*wrapperspb.UInt64Value, error) {
		var total uint64
		for n, err := range in.All() {
			if err != nil {
				return nil, err // the client is gone
			}
			if n.Value == 0 {
				return nil, cqrpc.Errorf(cqrpc.CodeInvalidArgument, "nothing to add")
			}
			total += uint64(n.Value)
		}
		return wrapperspb.UInt64(total), nil // the client has half-closed
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
	stream, err := cqclient.ClientStream(context.Background(), ch, sum)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for _, n := range []uint32{1, 20, 300} {
		if err := stream.Send(wrapperspb.UInt32(n)); err != nil && err != io.EOF {
			fmt.Println(err)
			return
		}
	}
	total, err := stream.CloseAndRecv()
	fmt.Println(total.GetValue(), err)
	fmt.Println(ch.Close(), s.Shutdown(context.Background()))
	// Output:
	// 321 <nil>
	// <nil> <nil>
}
