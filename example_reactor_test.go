package cqrpc_test

import (
	"context"
	"fmt"

	"github.com/cqrpc/cqrpc"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
)

type reactorGreeter struct{}

// SayHello returns what reacts to the call: here nothing but its answer.
func (reactorGreeter) SayHello(ctx *reactor.Context, req *pb.HelloRequest, res *pb.HelloReply) reactor.UnaryReactor {
	res.Message = "Hello " + req.GetName()
	r := ctx.DefaultReactor()
	r.Finish(cqrpc.Status{})
	return r
}

func Example_reactor() {
	s := server.New()
	check(pb.RegisterGreeterReactorServer(s, reactorGreeter{}))
	ch, stop := serve(s)
	defer stop()

	var reply pb.HelloReply
	done := make(chan cqrpc.Status)
	pb.NewGreeterReactorClient(ch).SayHello(context.Background(), &pb.HelloRequest{Name: "world"}, &reply,
		func(st cqrpc.Status) { done <- st })
	status := <-done
	fmt.Println(reply.GetMessage(), status.Code)
	// Output: Hello world OK
}
