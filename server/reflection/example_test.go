package reflection_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/health"
	"github.com/cqrpc/cqrpc/server/reflection"
)

// sayHello is what generated code would declare.
var sayHello = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{Name: "/example.Greeter/SayHello"}

// One line, and grpcurl -plaintext ADDRESS list shows what there is.
func Example() {
	s := server.New()
	err := reflection.Register(s)
	if err != nil {
		fmt.Println(err)
		return
	}
	greet := func(_ context.Context, req *wrapperspb.StringValue) (*wrapperspb.StringValue, error) { return req, nil }
	if err := s.Register(server.Unary(sayHello, greet)); err != nil {
		fmt.Println(err)
		return
	}
	if err := health.Register(s, health.New()); err != nil {
		fmt.Println(err)
		return
	}
	visit(s, func(ch *client.Channel) {
		stream, err := client.BidiStream(context.Background(), ch, v1)
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := stream.Send(services()); err != nil {
			fmt.Println(err)
			return
		}
		res, err := stream.Recv()
		for _, service := range res.GetListServicesResponse().GetService() {
			fmt.Println(service.GetName())
		}
		fmt.Println(err, stream.CloseSend())
		_, err = stream.Recv()
		fmt.Println(err)
	})
	// Output:
	// example.Greeter
	// grpc.health.v1.Health
	// grpc.reflection.v1.ServerReflection
	// grpc.reflection.v1alpha.ServerReflection
	// <nil> <nil>
	// EOF
}

// visit serves on loopback while f uses a channel to it.
func visit(s *server.Server, f func(ch *client.Channel)) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	ch, err := client.NewChannel(lis.Addr().String(), client.WithInsecure())
	if err != nil {
		panic(err)
	}
	f(ch)
	ch.Close()
	_ = s.Shutdown(context.Background())
	<-served
}
