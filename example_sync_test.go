package cqrpc_test

import (
	"context"
	"fmt"

	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
)

type syncGreeter struct{}

// SayHello has a goroutine of its own for every call.
func (syncGreeter) SayHello(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
	return &pb.HelloReply{Message: "Hello " + req.GetName()}, nil
}

func Example_sync() {
	s := server.New()
	check(pb.RegisterGreeterSyncServer(s, syncGreeter{}))
	ch, stop := serve(s)
	defer stop()

	greeter := pb.NewGreeterSyncClient(ch)
	reply, err := greeter.SayHello(context.Background(), &pb.HelloRequest{Name: "world"})
	fmt.Println(reply.GetMessage(), err)
	// Output: Hello world <nil>
}
