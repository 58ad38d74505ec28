package client_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
)

// sayHello is what generated code would declare.
var sayHello = call.Method[pb.HelloRequest, pb.HelloReply]{Name: "/helloworld.Greeter/SayHello"}

// greeter is a server on loopback; stop ends it.
func greeter() (address string, stop func()) {
	s := server.New()
	must(s.Register(server.Unary(sayHello, func(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
		if req.GetName() == "" {
			return nil, cqrpc.Errorf(cqrpc.CodeInvalidArgument, "whom shall I greet?")
		}
		return &pb.HelloReply{Message: "Hello " + req.GetName()}, nil
	})))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	return lis.Addr().String(), func() {
		must(s.Close())
		<-served
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// A call in the sync style: one statement, one error.
func ExampleUnary() {
	address, stop := greeter()
	defer stop()
	ch, err := client.NewChannel(address, client.WithInsecure())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, name := range []string{"gopher", ""} {
		reply, err := client.Unary(ctx, ch, sayHello, &pb.HelloRequest{Name: name})
		if err != nil {
			fmt.Println(cqrpc.CodeOf(err), "-", err)
			continue
		}
		fmt.Println(reply.GetMessage())
	}
	// Output:
	// Hello gopher
	// INVALID_ARGUMENT - INVALID_ARGUMENT: whom shall I greet?
}

// Many calls on one goroutine: each is one batch, and its tag, here the call's
// own state, comes out of the queue when the batch has ended.
func ExampleChannel_NewCall() {
	address, stop := greeter()
	defer stop()
	ch, err := client.NewChannel(address, client.WithInsecure())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()

	type greeting struct {
		call   *call.Call
		reply  pb.HelloReply
		status cqrpc.Status
	}
	q := cq.New()
	const n = 100
	for i := range n {
		g := &greeting{call: ch.NewCall(q, sayHello.Name)}
		err := g.call.StartBatch([]call.Op{
			call.SendInitialMetadata(nil),
			call.SendValue(&pb.HelloRequest{Name: fmt.Sprint(i)}),
			call.SendClose(),
			call.RecvInitialMetadata(nil),
			call.RecvValue(&g.reply, nil),
			call.RecvStatus(&g.status, nil),
		}, g)
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	q.Shutdown() // what was begun still ends; then Events does, too

	greeted := 0
	for ev := range q.Events(context.Background()) {
		g := ev.Tag.(*greeting)
		if g.status.Code == cqrpc.CodeOK && g.reply.GetMessage() != "" {
			greeted++
		}
		g.call.Close()
	}
	fmt.Println(greeted, "greetings")
	// Output: 100 greetings
}
