package cqrpc_test

import (
	"context"
	"fmt"

	"github.com/cqrpc/cqrpc/cq/future"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

type futureGreeter struct{}

// SayHello returns at once; the sink takes the answer now or later.
func (futureGreeter) SayHello(
	_ *serverfuture.Context, req *pb.HelloRequest, sink *serverfuture.ResponseSink[pb.HelloReply],
) {
	sink.Success(&pb.HelloReply{Message: "Hello " + req.GetName()})
}

func Example_future() {
	env := future.NewEnvironment(2) // two queues with a poller each
	defer env.Close()
	s := server.New()
	check(pb.RegisterGreeterFutureServer(s, futureGreeter{}, env))
	ch, stop := serve(s)
	defer stop()

	reply := pb.NewGreeterFutureClient(ch, env).SayHello(context.Background(), &pb.HelloRequest{Name: "world"})
	length := future.Map(reply, func(r *pb.HelloReply) (int, error) { return len(r.GetMessage()), nil })
	fmt.Println(length.Await(context.Background()))
	// Output: 11 <nil>
}
