package reactor_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"

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
	greetAll  = call.Method[text, text]{Name: "/example.Greeter/GreetAll", Shape: call.ClientStream}
	converse  = call.Method[text, text]{Name: "/example.Greeter/Converse", Shape: call.BidiStream}
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

// OnWriteDone of a call that is dead starts nothing: the library finishes it.
func (g *greetings) OnWriteDone(ok bool) {
	if ok {
		g.next()
	}
}

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

// gathering reads names, and greets all when there are no more.
type gathering struct {
	reactor.ReadBase[text]
	req   text
	res   *text
	names []string
}

func (g *gathering) OnReadDone(ok bool) {
	if ok {
		g.names = append(g.names, g.req.Value)
		g.StartRead(&g.req)
		return
	}
	g.res.Value = "Hello " + strings.Join(g.names, ", ")
	g.Finish(cqrpc.Status{}) // does nothing if the call is dead
}

// A reactor that reads a stream, and fills the response when it has come to the end.
func ExampleClientStream() {
	h := reactor.ClientStream(greetAll, func(_ *reactor.Context, res *text) reactor.ReadReactor[text] {
		g := &gathering{res: res}
		g.StartRead(&g.req)
		return g
	})
	visit(h, func(ctx context.Context, ch *client.Channel) {
		stream, err := client.ClientStream(ctx, ch, greetAll)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer stream.Close()
		for _, name := range []string{"Ada", "Grace"} {
			if err := stream.Send(wrapperspb.String(name)); err != nil {
				break // CloseAndRecv says why
			}
		}
		res, err := stream.CloseAndRecv()
		fmt.Println(res.GetValue(), err)
	})
	// Output: Hello Ada, Grace <nil>
}

// answers answers each request before it reads the next.
type answers struct {
	reactor.BidiBase[text, text]
	req text
}

func (a *answers) OnReadDone(ok bool) {
	if !ok { // the client has sent all, or is gone
		a.Finish(cqrpc.Status{})
		return
	}
	a.StartWrite(wrapperspb.String("Hello " + a.req.Value))
}

func (a *answers) OnWriteDone(ok bool) {
	if ok {
		a.StartRead(&a.req)
	}
}

// A reactor that reads and writes. A call has no goroutine while it waits, so there may be
// very many.
func ExampleBidiStream() {
	h := reactor.BidiStream(converse, func(*reactor.Context) reactor.BidiReactor[text, text] {
		a := new(answers)
		a.StartRead(&a.req)
		return a
	})
	visit(h, func(ctx context.Context, ch *client.Channel) {
		stream, err := client.BidiStream(ctx, ch, converse)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer stream.Close()
		for _, name := range []string{"Ada", "Grace"} {
			err := stream.Send(wrapperspb.String(name))
			if err != nil && err != io.EOF { // that is the end of the call, and Recv says why
				fmt.Println(err)
				return
			}
			res, err := stream.Recv()
			fmt.Println(res.GetValue(), err)
		}
		err = stream.CloseSend()
		_, end := stream.Recv()
		fmt.Println(err, end)
	})
	// Output:
	// Hello Ada <nil>
	// Hello Grace <nil>
	// <nil> EOF
}
