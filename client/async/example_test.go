package async_test

import (
	"context"
	"fmt"
	"net"
	"strings"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/async"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// These are what generated code would declare.
var (
	sayHello  = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{Name: "/example.Greeter/SayHello"}
	sayHellos = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
		Name: "/example.Greeter/SayHellos", Shape: call.ServerStream,
	}
	greetAll = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
		Name: "/example.Greeter/GreetAll", Shape: call.ClientStream,
	}
	converse = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
		Name: "/example.Greeter/Converse", Shape: call.BidiStream,
	}
)

// greeter is a server on loopback and a channel to it; stop ends both.
func greeter() (ch *client.Channel, stop func()) {
	s := server.New()
	check(s.Register(
		server.Unary(sayHello,
			func(_ context.Context, req *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
				return wrapperspb.String("Hello " + req.Value), nil
			}),
		server.ServerStream(sayHellos,
			func(_ context.Context, req *wrapperspb.StringValue, out *server.Sender[wrapperspb.StringValue]) error {
				for _, word := range []string{"Hello", "Bonjour", "Saluton"} {
					if err := out.Send(wrapperspb.String(word + " " + req.Value)); err != nil {
						return err
					}
				}
				return nil
			}),
		server.ClientStream(greetAll,
			func(_ context.Context, in *server.Receiver[wrapperspb.StringValue]) (*wrapperspb.StringValue, error) {
				var names []string
				for req, err := range in.All() {
					if err != nil {
						return nil, err
					}
					names = append(names, req.Value)
				}
				return wrapperspb.String("Hello " + strings.Join(names, ", ")), nil
			}),
		server.BidiStream(converse, func(
			_ context.Context, in *server.Receiver[wrapperspb.StringValue], out *server.Sender[wrapperspb.StringValue],
		) error {
			for req, err := range in.All() {
				if err != nil {
					return err
				}
				if err := out.Send(wrapperspb.String("Hello " + req.Value)); err != nil {
					return err
				}
			}
			return nil
		}),
	))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	ch, err = client.NewChannel(lis.Addr().String(), client.WithInsecure())
	check(err)
	return ch, func() {
		check(ch.Close())
		check(s.Close())
		<-served
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Two calls at once on one goroutine. Where the results of a call go is its tag.
func Example() {
	ch, stop := greeter()
	defer stop()

	type greeting struct {
		reply  wrapperspb.StringValue
		status cqrpc.Status
	}
	ctx, q := context.Background(), cq.New()
	for _, name := range []string{"gopher", "mole"} {
		g := new(greeting)
		rpc := async.Unary(ctx, ch, sayHello, wrapperspb.String(name), q)
		check(rpc.Finish(&g.reply, &g.status, g))
	}
	q.Shutdown() // what was begun still ends; then Events does, too
	for ev := range q.Events(ctx) {
		g := ev.Tag.(*greeting)
		fmt.Println(g.reply.Value, g.status.Code)
	}
	// Unordered output:
	// Hello gopher OK
	// Hello mole OK
}

// A stream whose tags say what has ended. Read is false after the last response;
// then Finish asks for the reason.
func ExampleReader() {
	ch, stop := greeter()
	defer stop()

	ctx, q := context.Background(), cq.New()
	rpc, err := async.ServerStream(ctx, ch, sayHellos, wrapperspb.String("gopher"), q, "started")
	check(err)
	var reply wrapperspb.StringValue
	var status cqrpc.Status
	for ev := range q.Events(ctx) {
		switch {
		case ev.Tag == "finished":
			fmt.Println(status.Code)
			q.Shutdown()
		case !ev.OK:
			check(rpc.Finish(&status, "finished"))
		default:
			if ev.Tag == "read" {
				fmt.Println(reply.Value)
			}
			check(rpc.Read(&reply, "read"))
		}
	}
	// Output:
	// Hello gopher
	// Bonjour gopher
	// Saluton gopher
	// OK
}
