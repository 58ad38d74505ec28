package future_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/server"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

// What generated code would declare.
var (
	sayHello = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{Name: "/example.Greeter/SayHello"}
	repeat   = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
		Name: "/example.Greeter/Repeat", Shape: call.BidiStream,
	}
	greetAll = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
		Name: "/example.Greeter/GreetAll", Shape: call.ClientStream,
	}
	sayHellos = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
		Name: "/example.Greeter/SayHellos", Shape: call.ServerStream,
	}
)

// serve serves h; it returns a channel to it, and how to end both.
func serve(h server.Handler) (*client.Channel, func()) {
	s := server.New()
	if err := s.Register(h); err != nil {
		panic(err)
	}
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
	return ch, func() {
		if err := errors.Join(ch.Close(), s.Shutdown(context.Background())); err != nil {
			panic(err)
		}
		<-served
	}
}

// The Greeter. The handler runs on a poller, so it must not block: it answers at
// once, or, when that takes time, from a goroutine.
func Example() {
	env := future.NewEnvironment(1)
	defer env.Close()
	hello := func(_ *serverfuture.Context, req *wrapperspb.StringValue,
		sink *serverfuture.ResponseSink[wrapperspb.StringValue],
	) {
		if req.Value == "" {
			sink.Fail(cqrpc.Status{Code: cqrpc.CodeInvalidArgument, Message: "whom shall I greet?"})
			return
		}
		go func() { // looks something up
			sink.Success(wrapperspb.String("Hello " + req.Value))
		}()
	}
	ch, stop := serve(serverfuture.Unary(sayHello, hello, env))
	defer stop()
	for _, name := range []string{"gopher", ""} {
		res, err := client.Unary(context.Background(), ch, sayHello, wrapperspb.String(name))
		fmt.Println(res.GetValue(), err)
	}
	// Output:
	// Hello gopher <nil>
	//  INVALID_ARGUMENT: whom shall I greet?
}

// Many requests and one response, without a goroutine: a function sees each request, and what follows
// the last is the response.
func ExampleClientStream() {
	env := future.NewEnvironment(1)
	defer env.Close()
	ch, stop := serve(serverfuture.ClientStream(greetAll, func(_ *serverfuture.Context,
		requests *serverfuture.Stream[wrapperspb.StringValue], sink *serverfuture.ResponseSink[wrapperspb.StringValue],
	) {
		var names []string
		requests.ForEach(func(req *wrapperspb.StringValue) error {
			names = append(names, req.Value)
			return nil
		}).OnComplete(func(_ struct{}, err error) {
			if err == nil { // else the call has ended
				sink.Success(wrapperspb.String("Hello " + strings.Join(names, ", ")))
			}
		})
	}, env))
	defer stop()

	s, err := client.ClientStream(context.Background(), ch, greetAll)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for _, name := range []string{"gopher", "crab"} {
		if err := s.Send(wrapperspb.String(name)); err != nil {
			break // CloseAndRecv says why
		}
	}
	res, err := s.CloseAndRecv()
	fmt.Println(res.GetValue(), err)
	// Output: Hello gopher, crab <nil>
}

// One request and many responses, without a goroutine: each goes out when the client has taken what came
// before, and then the sink is closed.
func ExampleServerStream() {
	env := future.NewEnvironment(1)
	defer env.Close()
	ch, stop := serve(serverfuture.ServerStream(sayHellos, func(_ *serverfuture.Context,
		req *wrapperspb.StringValue, sink *serverfuture.Sink[wrapperspb.StringValue],
	) {
		sink.SendFrom(future.Values([]*wrapperspb.StringValue{
			wrapperspb.String("Hello " + req.Value), wrapperspb.String("Bonjour " + req.Value),
		})).OnComplete(func(_ struct{}, err error) {
			if err == nil { // else the call has ended
				sink.Close()
			}
		})
	}, env))
	defer stop()

	s, err := client.ServerStream(context.Background(), ch, sayHellos, wrapperspb.String("gopher"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for m, err := range s.All() {
		fmt.Println(m.GetValue(), err)
	}
	// Output:
	// Hello gopher <nil>
	// Bonjour gopher <nil>
}

// A duplex call without a goroutine: each request that comes is sent back, and
// when that is done the next is asked for.
func ExampleBidiStream() {
	env := future.NewEnvironment(1)
	defer env.Close()
	ch, stop := serve(serverfuture.BidiStream(repeat, func(_ *serverfuture.Context,
		requests *serverfuture.Stream[wrapperspb.StringValue], sink *serverfuture.Sink[wrapperspb.StringValue],
	) {
		var next func(struct{}, error)
		next = func(struct{}, error) {
			requests.Next().OnComplete(func(req *wrapperspb.StringValue, err error) {
				if err != nil { // io.EOF: the client has sent all
					sink.Close()
					return
				}
				sink.Send(req).OnComplete(next)
			})
		}
		next(struct{}{}, nil)
	}, env))
	defer stop()
	converse(ch)
	// Output:
	// once
	// more
	// EOF
}

// converse says two things and listens, in the sync style.
func converse(ch *client.Channel) {
	s, err := client.BidiStream(context.Background(), ch, repeat)
	for _, m := range []string{"once", "more"} {
		if err == nil {
			err = s.Send(wrapperspb.String(m))
		}
	}
	if err == nil {
		err = s.CloseSend()
	}
	for err == nil {
		var m *wrapperspb.StringValue
		if m, err = s.Recv(); err == nil {
			fmt.Println(m.Value)
		}
	}
	fmt.Println(err)
}
