package cqrpc_test

import (
	"context"
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
)

type callData struct { // one call; its address is the tag of what it starts
	ctx       async.Context
	req       pb.HelloRequest
	responder async.ResponseWriter[pb.HelloReply]
}

func Example_queue() {
	s, q, d := server.New(), cq.New(), new(callData)
	service, err := pb.RegisterGreeterAsyncService(s)
	check(err, s.AddQueue(q), service.RequestSayHello(&d.ctx, &d.req, &d.responder, q, q, d))
	ch, stop := serve(s)
	defer stop()

	var reply pb.HelloReply
	var status cqrpc.Status
	rpc := pb.NewGreeterAsyncClient(ch).AsyncSayHello(context.Background(), &pb.HelloRequest{Name: "world"}, q)
	check(rpc.Finish(&reply, &status, "the client's tag"))

	q.Next(context.Background()) // tag d: the call has come
	check(d.responder.Finish(&pb.HelloReply{Message: "Hello " + d.req.GetName()}, cqrpc.Status{}, d))
	for range 2 { // tag d again: answered; and the client's
		fmt.Println(q.Next(context.Background()).OK)
	}
	fmt.Println(reply.GetMessage(), status.Code)
	// Output:
	// true
	// true
	// Hello world OK
}
