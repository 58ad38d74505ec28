package reactor_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// These are what generated code would declare.
var (
	sayHello  = call.Method[text, text]{Name: "/example.Greeter/SayHello"}
	sayHellos = call.Method[text, text]{Name: "/example.Greeter/SayHellos", Shape: call.ServerStream}
)

// visit serves one handler on loopback while f uses a channel to it.
func visit(h server.Handler, f func(ctx context.Context, ch *client.Channel)) {
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
	f(context.Background(), ch)
	ch.Close()
	_ = s.Shutdown(context.Background())
	<-served
}

// A unary method has nothing to react to: the default reactor will do. Finish it
// here, or later from wherever the answer is known.
func ExampleUnary() {
	h := reactor.Unary(sayHello, func(ctx *reactor.Context, req, res *text) reactor.UnaryReactor {
		r := ctx.DefaultReactor()
		if req.Value == "" {
			r.Finish(cqrpc.Status{Code: cqrpc.CodeInvalidArgument, Message: "whom shall I greet?"})
			return r
		}
		res.Value = "Hello " + req.Value
		r.Finish(cqrpc.Status{})
		return r
	})
	visit(h, func(ctx context.Context, ch *client.Channel) {
		for _, name := range []string{"gopher", ""} {
			res, err := client.Unary(ctx, ch, sayHello, wrapperspb.String(name))
			fmt.Println(res.GetValue(), err)
		}
	})
	// Output:
	// Hello gopher <nil>
	//  INVALID_ARGUMENT: whom shall I greet?
}

// greetings writes one greeting after the other.
type greetings struct {
	reactor.WriteBase[text]
	words []string
}

func (g *greetings) OnWriteDone(bool) { g.next() }

func (g *greetings) next() {
	if len(g.words) == 0 {
		g.Finish(cqrpc.Status{})
		return
	}
	m := wrapperspb.String(g.words[0])
	g.words = g.words[1:]
	g.StartWrite(m)
}

// A reactor that writes a stream: each reaction starts what shall happen next.
func ExampleServerStream() {
	h := reactor.ServerStream(sayHellos, func(_ *reactor.Context, req *text) reactor.WriteReactor[text] {
		g := &greetings{words: []string{"Hello " + req.Value, "Bonjour " + req.Value}}
		g.next()
		return g
	})
	visit(h, func(ctx context.Context, ch *client.Channel) {
		stream, err := client.ServerStream(ctx, ch, sayHellos, wrapperspb.String("gopher"))
		if err != nil {
			fmt.Println(err)
			return
		}
		for m, err := range stream.All() {
			fmt.Println(m.GetValue(), err)
		}
	})
	// Output:
	// Hello gopher <nil>
	// Bonjour gopher <nil>
}
