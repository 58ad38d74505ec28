package future_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/server"
)

// What generated code would declare.
var (
	sayHello = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{Name: "/example.Greeter/SayHello"}
	greetAll = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
		Name: "/example.Greeter/GreetAll", Shape: call.ClientStream,
	}
	sayHellos = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
		Name: "/example.Greeter/SayHellos", Shape: call.ServerStream,
	}
	converse = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
		Name: "/example.Greeter/Converse", Shape: call.BidiStream,
	}
)

// greeter serves the examples; it returns its address and how to end it.
func greeter() (string, func()) {
	s := server.New()
	err := s.Register(
		server.Unary(sayHello, func(_ context.Context, req *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			return wrapperspb.String("Hello " + req.Value), nil
		}),
		server.ClientStream(greetAll, func(
			_ context.Context, in *server.Receiver[wrapperspb.StringValue],
		) (*wrapperspb.StringValue, error) {
			var names []string
			for req, err := range in.All() {
				if err != nil {
					return nil, err
				}
				names = append(names, req.Value)
			}
			return wrapperspb.String("Hello " + strings.Join(names, ", ")), nil
		}),
		server.ServerStream(sayHellos, func(
			_ context.Context, req *wrapperspb.StringValue, out *server.Sender[wrapperspb.StringValue],
		) error {
			if err := out.Send(wrapperspb.String("Hello " + req.Value)); err != nil {
				return err
			}
			return out.Send(wrapperspb.String("Bonjour " + req.Value))
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
		}))
	if err != nil {
		panic(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	return lis.Addr().String(), func() {
		if err := s.Close(); err != nil {
			panic(err)
		}
		<-served
	}
}

// The Greeter, called three ways: waiting for one, for several, and for none.
func Example() {
	addr, stop := greeter()
	defer stop()
	ch, err := client.NewChannel(addr, client.WithInsecure())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	env := future.NewEnvironment(1)
	defer env.Close()
	stub, ctx := clientfuture.New(ch, env), context.Background()

	one := clientfuture.Unary(ctx, stub, sayHello, wrapperspb.String("gopher"))
	fmt.Println(line(one.Await(ctx)))

	two := clientfuture.Unary(ctx, stub, sayHello, wrapperspb.String("crab"))
	both, err := future.Join(one.Future, two.Future).Await(ctx)
	fmt.Println(len(both), err)

	length := future.Map(two.Future, func(m *wrapperspb.StringValue) (int, error) { return len(m.Value), nil })
	fmt.Println(length.Await(ctx))
	// Output:
	// Hello gopher
	// 2 <nil>
	// 10 <nil>
}

func line(m *wrapperspb.StringValue, err error) string {
	if err != nil {
		return err.Error()
	}
	return m.Value
}

// Many requests and one response: a sink to be closed, and a future.
func ExampleClientStream() {
	addr, stop := greeter()
	defer stop()
	ch, err := client.NewChannel(addr, client.WithInsecure())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	env := future.NewEnvironment(1)
	defer env.Close()
	ctx := context.Background()

	sink, response := clientfuture.ClientStream(ctx, clientfuture.New(ch, env), greetAll)
	names := []*wrapperspb.StringValue{wrapperspb.String("gopher"), wrapperspb.String("crab")}
	if err := sink.SendAll(ctx, slices.Values(names)); err != nil {
		fmt.Println(err)
	}
	sink.Close()
	fmt.Println(line(response.Await(ctx)))
	// Output:
	// Hello gopher, crab
}

// One request and many responses. ForEach needs no goroutine: its function runs on the poller, and
// the future says how the call ended. A goroutine that may wait would range over stream.All.
func ExampleServerStream() {
	addr, stop := greeter()
	defer stop()
	ch, err := client.NewChannel(addr, client.WithInsecure())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	env := future.NewEnvironment(1)
	defer env.Close()
	ctx := context.Background()

	stream := clientfuture.ServerStream(ctx, clientfuture.New(ch, env), sayHellos, wrapperspb.String("gopher"))
	defer stream.Close()
	end := stream.ForEach(func(m *wrapperspb.StringValue) error {
		fmt.Println(m.Value)
		return nil
	})
	_, err = end.Await(ctx)
	fmt.Println(err)
	// Output:
	// Hello gopher
	// Bonjour gopher
	// <nil>
}

// Requests and responses in turn, on a goroutine that waits for the responses. What Send says may be
// ignored: if the call has ended, Recv says why.
func ExampleBidiStream() {
	addr, stop := greeter()
	defer stop()
	ch, err := client.NewChannel(addr, client.WithInsecure())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	env := future.NewEnvironment(1)
	defer env.Close()
	ctx := context.Background()

	sink, stream := clientfuture.BidiStream(ctx, clientfuture.New(ch, env), converse)
	defer stream.Close()
	for _, name := range []string{"gopher", "crab"} {
		sink.Send(wrapperspb.String(name))
		fmt.Println(line(stream.Recv(ctx)))
	}
	sink.Close()
	_, err = stream.Recv(ctx)
	fmt.Println(err)
	// Output:
	// Hello gopher
	// Hello crab
	// EOF
}
