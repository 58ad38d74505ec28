package client_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
)

// These are what generated code would declare.
var (
	sayHello  = call.Method[pb.HelloRequest, pb.HelloReply]{Name: "/helloworld.Greeter/SayHello"}
	sayHellos = call.Method[pb.HelloRequest, pb.HelloReply]{
		Name: "/helloworld.Greeter/SayHelloStreamReply", Shape: call.ServerStream,
	}
	sayHelloToAll = call.Method[pb.HelloRequest, pb.HelloReply]{
		Name: "/helloworld.Greeter/SayHelloToAll", Shape: call.ClientStream,
	}
	converse = call.Method[pb.HelloRequest, pb.HelloReply]{
		Name: "/helloworld.Greeter/SayHelloBidiStream", Shape: call.BidiStream,
	}
)

// greeter is a server on loopback; stop ends it.
func greeter() (address string, stop func()) {
	s := server.New()
	must(s.Register(server.Unary(sayHello, func(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
		if req.GetName() == "" {
			return nil, cqrpc.Errorf(cqrpc.CodeInvalidArgument, "whom shall I greet?")
		}
		return &pb.HelloReply{Message: "Hello " + req.GetName()}, nil
	}), server.ServerStream(sayHellos, hellos), server.ClientStream(sayHelloToAll, helloToAll),
		server.BidiStream(converse, answer)))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	return lis.Addr().String(), func() {
		must(s.Close())
		<-served
	}
}

func hellos(_ context.Context, req *pb.HelloRequest, out *server.Sender[pb.HelloReply]) error {
	for _, word := range []string{"Hello", "Bonjour", "Saluton"} {
		if err := out.Send(&pb.HelloReply{Message: word + " " + req.GetName()}); err != nil {
			return err
		}
	}
	return nil
}

func helloToAll(_ context.Context, in *server.Receiver[pb.HelloRequest]) (*pb.HelloReply, error) {
	var names []string
	for req, err := range in.All() {
		if err != nil {
			return nil, err
		}
		names = append(names, req.GetName())
	}
	return &pb.HelloReply{Message: "Hello " + strings.Join(names, ", ")}, nil
}

func answer(_ context.Context, in *server.Receiver[pb.HelloRequest], out *server.Sender[pb.HelloReply]) error {
	for req, err := range in.All() {
		if err != nil {
			return err
		}
		if err := out.Send(&pb.HelloReply{Message: "Hello " + req.GetName()}); err != nil {
			return err
		}
	}
	return nil
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

// The responses of a stream are a range; leaving it early ends the call.
func ExampleServerStream() {
	address, stop := greeter()
	defer stop()
	ch, err := client.NewChannel(address, client.WithInsecure())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()

	stream, err := client.ServerStream(context.Background(), ch, sayHellos, &pb.HelloRequest{Name: "gopher"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for reply, err := range stream.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(reply.GetMessage())
	}
	// Output:
	// Hello gopher
	// Bonjour gopher
	// Saluton gopher
}

// Many requests, then the one response. io.EOF from Send says that the call has ended, and
// CloseAndRecv says why.
func ExampleClientStream() {
	address, stop := greeter()
	defer stop()
	ch, err := client.NewChannel(address, client.WithInsecure())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()

	stream, err := client.ClientStream(context.Background(), ch, sayHelloToAll)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for _, name := range []string{"Ada", "Grace", "Barbara"} {
		err := stream.Send(&pb.HelloRequest{Name: name})
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	reply, err := stream.CloseAndRecv()
	fmt.Println(reply.GetMessage(), err)
	// Output: Hello Ada, Grace, Barbara <nil>
}

// Send and Recv may run on two goroutines; here one is enough. io.EOF from Recv
// is the good end.
func ExampleBidiStream() {
	address, stop := greeter()
	defer stop()
	ch, err := client.NewChannel(address, client.WithInsecure())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()

	stream, err := client.BidiStream(context.Background(), ch, converse)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for _, name := range []string{"Ada", "Grace"} {
		err := stream.Send(&pb.HelloRequest{Name: name})
		if err != nil && err != io.EOF { // that is the end of the call, and Recv says why
			fmt.Println(err)
			return
		}
		reply, err := stream.Recv()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(reply.GetMessage())
	}
	if err := stream.CloseSend(); err != nil {
		fmt.Println(err)
	}
	_, err = stream.Recv()
	fmt.Println(err == io.EOF)
	// Output:
	// Hello Ada
	// Hello Grace
	// true
}

// A channel connects when it is wanted, and says how it is.
func ExampleChannel_WaitForStateChange() {
	address, stop := greeter()
	defer stop()
	ch, err := client.NewChannel(address, client.WithInsecure())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ch.State())

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := ch.AwaitReady(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ch.State())

	go ch.Close()
	fmt.Println(ch.WaitForStateChange(ctx, client.Ready), ch.State())
	// Output:
	// IDLE
	// READY
	// true SHUTDOWN
}
