package server_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// sayHello is what generated code would declare.
var sayHello = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{Name: "/example.Greeter/SayHello"}

// hello makes one call to the server on lis.
func hello(lis net.Listener, name string) {
	nc, err := net.Dial("tcp", lis.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	c := newClient(nc)
	defer c.conn.Close()
	var res wrapperspb.StringValue
	if err := c.unary(sayHello.Name, wrapperspb.String(name), &res).Err(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Value)
}

// A server with one method in the sync style.
func Example() {
	s := server.New()
	err := s.Register(server.Unary(sayHello,
		func(_ context.Context, req *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			if req.Value == "" {
				return nil, cqrpc.Errorf(cqrpc.CodeInvalidArgument, "whom shall I greet?")
			}
			return wrapperspb.String("Hello " + req.Value), nil
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

	hello(lis, "gopher")
	hello(lis, "")

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	fmt.Println(s.Shutdown(ctx), <-served)
	// Output:
	// Hello gopher
	// INVALID_ARGUMENT: whom shall I greet?
	// <nil> server: closed
}

// A server with one method in the queue style: the application asks for calls,
// and everything comes out of its queue by tag.
func ExampleServer_RequestRegisteredCall() {
	s, queue := server.New(), cq.New()
	method, err := s.RegisterMethod(sayHello.Name, server.PayloadOnly)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := s.AddQueue(queue); err != nil {
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

	var req wrapperspb.StringValue
	slot := &server.IncomingCall{Value: &req}
	if err := s.RequestRegisteredCall(method, slot, queue, queue, "call"); err != nil {
		fmt.Println(err)
		return
	}
	replied := make(chan struct{})
	go func() {
		hello(lis, "gopher")
		close(replied)
	}()
	for ev := range queue.Events(context.Background()) {
		if ev.Tag == "reply" {
			<-replied // the client prints first
		}
		fmt.Println(ev.Tag, ev.OK)
		switch ev.Tag {
		case "call":
			ops := []call.Op{
				call.SendInitialMetadata(nil),
				call.SendValue(wrapperspb.String("Hello " + req.Value)),
				call.SendStatus(cqrpc.Status{}, nil),
			}
			if err := slot.Call.StartBatch(ops, "reply"); err != nil {
				fmt.Println(err)
			}
		case "reply":
			go func() { served <- s.Shutdown(context.Background()) }()
		}
	}
	fmt.Println("drained")
	<-served
	<-served
	// Output:
	// call true
	// Hello gopher
	// reply true
	// drained
}
