package reactor_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/reactor"
	"github.com/cqrpc/cqrpc/server"
)

// These are what generated code would declare.
var (
	sayHello  = call.Method[text, text]{Name: "/example.Greeter/SayHello"}
	sayHellos = call.Method[text, text]{Name: "/example.Greeter/SayHellos", Shape: call.ServerStream}
	sayToAll  = call.Method[text, text]{Name: "/example.Greeter/SayToAll", Shape: call.ClientStream}
	converse  = call.Method[text, text]{Name: "/example.Greeter/Converse", Shape: call.BidiStream}
)

// greeter is a channel to a server on loopback; stop ends both.
func greeter() (ch *client.Channel, stop func()) {
	s := server.New()
	err := s.Register(server.Unary(sayHello, func(_ context.Context, req *text) (*text, error) {
		return wrapperspb.String("Hello " + req.Value), nil
	}), server.ServerStream(sayHellos, func(_ context.Context, req *text, out *server.Sender[text]) error {
		for _, word := range []string{"Hello", "Bonjour", "Saluton"} {
			if err := out.Send(wrapperspb.String(word + " " + req.Value)); err != nil {
				return err
			}
		}
		return nil
	}), server.ClientStream(sayToAll, func(_ context.Context, in *server.Receiver[text]) (*text, error) {
		greeting := "Hello"
		for req, err := range in.All() {
			if err != nil {
				return nil, err
			}
			greeting += " " + req.Value
		}
		return wrapperspb.String(greeting), nil
	}), server.BidiStream(converse, func(_ context.Context, in *server.Receiver[text], out *server.Sender[text]) error {
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
	if ch, err = client.NewChannel(lis.Addr().String(), client.WithInsecure()); err != nil {
		panic(err)
	}
	return ch, func() {
		ch.Close()
		_ = s.Close()
		<-served
	}
}

// The callback form: one function, called once. It may start the next call.
func ExampleUnary() {
	ch, stop := greeter()
	defer stop()
	stub := reactor.New(ch)
	res := new(text)
	done := make(chan struct{})
	reactor.Unary(context.Background(), stub, sayHello, wrapperspb.String("gopher"), res, func(st cqrpc.Status) {
		defer close(done)
		if st.Code != cqrpc.CodeOK {
			fmt.Println(st)
			return
		}
		fmt.Println(res.Value)
	})
	<-done // a program with something else to do does not wait
	// Output: Hello gopher
}

// greetings reads and prints until there is nothing left.
type greetings struct {
	reactor.ReadBase[text]
	next text
	done chan cqrpc.Status
}

func (g *greetings) OnReadDone(ok bool) {
	if ok {
		fmt.Println(g.next.Value)
		g.StartRead(&g.next)
	}
}

func (g *greetings) OnDone(st cqrpc.Status) { g.done <- st }

// A reactor that reads a stream: each reaction starts what shall happen next.
func ExampleServerStream() {
	ch, stop := greeter()
	defer stop()
	g := &greetings{done: make(chan cqrpc.Status, 1)}
	reactor.ServerStream(context.Background(), reactor.New(ch), sayHellos, wrapperspb.String("gopher"), g)
	g.StartRead(&g.next)
	g.StartCall()
	fmt.Println((<-g.done).Code)
	// Output:
	// Hello gopher
	// Bonjour gopher
	// Saluton gopher
	// OK
}

// invitation sends names, one after the other.
type invitation struct {
	reactor.WriteBase[text]
	names []string // to be sent
	done  chan cqrpc.Status
}

func (i *invitation) next() {
	name := i.names[0]
	if i.names = i.names[1:]; len(i.names) == 0 {
		i.StartWriteLast(wrapperspb.String(name)) // and the half-close with it
		return
	}
	i.StartWrite(wrapperspb.String(name))
}

func (i *invitation) OnWriteDone(ok bool) {
	if ok && len(i.names) > 0 {
		i.next()
	}
}

func (i *invitation) OnDone(st cqrpc.Status) { i.done <- st }

// A reactor that writes a stream. The response is there when the call is over.
func ExampleClientStream() {
	ch, stop := greeter()
	defer stop()
	i := &invitation{names: []string{"gopher", "ferris", "duke"}, done: make(chan cqrpc.Status, 1)}
	res := new(text)
	reactor.ClientStream(context.Background(), reactor.New(ch), sayToAll, res, i)
	i.next()
	i.StartCall()
	fmt.Println((<-i.done).Code, res.Value)
	// Output: OK Hello gopher ferris duke
}

// conversation sends names, one after the other, and prints what comes back meanwhile. Its
// reactions run one at a time, so it needs no lock.
type conversation struct {
	reactor.BidiBase[text, text]
	names []string // to be sent
	reply text
	done  chan cqrpc.Status
}

func (c *conversation) next() {
	if len(c.names) == 0 {
		c.StartWritesDone()
		return
	}
	name := c.names[0]
	c.names = c.names[1:]
	c.StartWrite(wrapperspb.String(name))
}

func (c *conversation) OnWriteDone(ok bool) {
	if ok {
		c.next()
	}
}

func (c *conversation) OnReadDone(ok bool) {
	if ok {
		fmt.Println(c.reply.Value)
		c.StartRead(&c.reply)
	}
}

func (c *conversation) OnDone(st cqrpc.Status) { c.done <- st }

// A reactor that writes and reads. What is started before StartCall waits for that; what
// fails is told by OnDone.
func ExampleBidiStream() {
	ch, stop := greeter()
	defer stop()
	c := &conversation{names: []string{"Ada", "Grace"}, done: make(chan cqrpc.Status, 1)}
	reactor.BidiStream(context.Background(), reactor.New(ch), converse, c)
	c.StartRead(&c.reply)
	c.next()
	c.StartCall()
	fmt.Println((<-c.done).Code)
	// Output:
	// Hello Ada
	// Hello Grace
	// OK
}
