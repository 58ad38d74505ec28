package async_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
)

// sayHello is what generated code would declare.
var sayHello = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{Name: "/example.Greeter/SayHello"}

// greeting is one call of SayHello. Its address is the tag of all it starts, so
// an event leads straight back to it.
type greeting struct {
	method     *async.UnaryMethod[wrapperspb.StringValue, wrapperspb.StringValue]
	queue      *cq.Queue
	ctx        async.Context
	req        wrapperspb.StringValue
	w          async.ResponseWriter[wrapperspb.StringValue]
	isAnswered bool
}

func (g *greeting) request() *greeting {
	must0(g.method.Request(&g.ctx, &g.req, &g.w, g.queue, g.queue, g))
	return g
}

// Proceed is the next step: the call has come, or its answer is out.
func (g *greeting) Proceed(ok bool) {
	if !ok || g.isAnswered { // the server ends, or the call has: nothing refers to g any more
		return
	}
	(&greeting{method: g.method, queue: g.queue}).request() // somebody waits for the next call
	g.isAnswered = true
	must0(g.w.Finish(wrapperspb.String("Hello "+g.req.Value), cqrpc.Status{}, g))
}

func must0(err error) {
	if err != nil {
		panic(err)
	}
}

// A Greeter on N queues with a poller each: the calls are spread over them, and
// all that happens to one call happens on one goroutine.
func Example() {
	s := server.New()
	method, err := async.RegisterUnary(s, sayHello)
	must0(err)
	var queues []*cq.Queue
	for range runtime.GOMAXPROCS(0) {
		q := cq.New()
		must0(s.AddQueue(q))
		(&greeting{method: method, queue: q}).request()
		queues = append(queues, q)
	}
	wait := cq.Poll(queues, 1, cq.Proceed)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must0(err)
	go func() { _ = s.Serve(lis) }()

	hello(lis.Addr().String(), "gopher")

	must0(s.Shutdown(context.Background())) // shuts the queues down, too
	wait()
	// Output: Hello gopher
}

// hello makes one call.
func hello(address, name string) {
	ch, err := client.NewChannel(address, client.WithInsecure())
	must0(err)
	defer ch.Close()
	res, err := client.Unary(context.Background(), ch, sayHello, wrapperspb.String(name))
	must0(err)
	fmt.Println(res.Value)
}

// teller is a call of a method with many requests and responses that answers
// each, until the client has no more.
type teller struct {
	ctx     async.Context
	stream  async.ReaderWriter[wrapperspb.StringValue, wrapperspb.StringValue]
	msg     wrapperspb.StringValue
	proceed func(t *teller, ok bool) // what comes next
}

func (t *teller) Proceed(ok bool) { t.proceed(t, ok) }

func (t *teller) read(ok bool) {
	if !ok {
		t.finish()
		return
	}
	t.proceed = (*teller).write
	must0(t.stream.Read(&t.msg, t))
}

func (t *teller) write(ok bool) {
	if !ok {
		t.finish()
		return
	}
	t.proceed = (*teller).read
	must0(t.stream.Write(wrapperspb.String("Hello "+t.msg.Value), t))
}

func (t *teller) finish() {
	t.proceed = func(*teller, bool) {}
	must0(t.stream.Finish(cqrpc.Status{}, t))
}

// A stream is a state machine whose steps are events.
func ExampleReaderWriter() {
	converse := call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
		Name: "/example.Greeter/Converse", Shape: call.BidiStream,
	}
	s, q := server.New(), cq.New()
	method, err := async.RegisterBidiStream(s, converse)
	must0(err)
	must0(s.AddQueue(q))
	t := &teller{proceed: (*teller).read}
	must0(method.Request(&t.ctx, &t.stream, q, q, t))
	wait := cq.Poll([]*cq.Queue{q}, 1, cq.Proceed)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must0(err)
	go func() { _ = s.Serve(lis) }()

	ch, err := client.NewChannel(lis.Addr().String(), client.WithInsecure())
	must0(err)
	stream, err := client.BidiStream(context.Background(), ch, converse)
	must0(err)
	for _, name := range []string{"gopher", "mole"} {
		must0(stream.Send(wrapperspb.String(name)))
		res, err := stream.Recv()
		must0(err)
		fmt.Println(res.Value)
	}
	must0(stream.CloseSend())
	_, err = stream.Recv()
	fmt.Println(err)
	must0(ch.Close())
	must0(s.Shutdown(context.Background()))
	wait()
	// Output:
	// Hello gopher
	// Hello mole
	// EOF
}

// gathering is a call of a method with many requests that greets all when the client has no more.
type gathering struct {
	ctx        async.Context
	stream     async.Reader[wrapperspb.StringValue, wrapperspb.StringValue]
	msg        wrapperspb.StringValue
	names      []string
	isReading  bool
	isFinished bool
}

func (g *gathering) Proceed(ok bool) {
	switch {
	case g.isFinished:
	case !ok && !g.isReading: // the server ends: no call has come
	case !ok:
		g.isFinished = true
		must0(g.stream.Finish(wrapperspb.String("Hello "+strings.Join(g.names, ", ")), cqrpc.Status{}, g))
	default:
		if g.isReading {
			g.names = append(g.names, g.msg.Value)
		}
		g.isReading = true
		must0(g.stream.Read(&g.msg, g))
	}
}

// A Read that is false is the end of the requests; then comes the response.
func ExampleReader() {
	greetAll := call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
		Name: "/example.Greeter/GreetAll", Shape: call.ClientStream,
	}
	s, q := server.New(), cq.New()
	method, err := async.RegisterClientStream(s, greetAll)
	must0(err)
	must0(s.AddQueue(q))
	g := new(gathering)
	must0(method.Request(&g.ctx, &g.stream, q, q, g))
	wait := cq.Poll([]*cq.Queue{q}, 1, cq.Proceed)

	ch, err := client.NewChannel("memory", client.WithInsecure(), client.WithDialer(s.Dial))
	must0(err)
	stream, err := client.ClientStream(context.Background(), ch, greetAll)
	must0(err)
	for _, name := range []string{"gopher", "mole"} {
		must0(stream.Send(wrapperspb.String(name)))
	}
	res, err := stream.CloseAndRecv()
	fmt.Println(res.GetValue(), err)
	must0(ch.Close())
	must0(s.Shutdown(context.Background()))
	wait()
	// Output: Hello gopher, mole <nil>
}

// listener is a call whose responses are what is broadcast.
type listener struct {
	ctx async.Context
	req wrapperspb.StringValue
	w   async.Writer[wrapperspb.StringValue]
}

// A message for many streams is encoded once. Each write has a reference of its
// own, so the memory is free for reuse when the last has ended.
func ExampleWriter_WriteBuffer() {
	background := context.Background()
	listen := call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
		Name: "/example.Radio/Listen", Shape: call.ServerStream,
	}
	s, q := server.New(), cq.New()
	method, err := async.RegisterServerStream(s, listen)
	must0(err)
	must0(s.AddQueue(q))
	listeners := make([]listener, 3)
	for i := range listeners {
		l := &listeners[i]
		must0(method.Request(&l.ctx, &l.req, &l.w, q, q, l))
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must0(err)
	go func() { _ = s.Serve(lis) }()

	ch, err := client.NewChannel(lis.Addr().String(), client.WithInsecure())
	must0(err)
	streams := make([]*client.ServerStreamCall[wrapperspb.StringValue], len(listeners))
	for i := range streams {
		streams[i], err = client.ServerStream(background, ch, listen, wrapperspb.String("radio 1"))
		must0(err)
	}
	for range listeners {
		q.Next(background) // another listens
	}

	news, err := call.Encode(codec.Proto(), wrapperspb.String("the news at nine"))
	must0(err)
	for i := range listeners {
		must0(listeners[i].w.WriteBuffer(news.Ref(), &listeners[i]))
	}
	news.Free()

	for range listeners {
		q.Next(background) // written
	}
	for i := range listeners {
		must0(listeners[i].w.Finish(cqrpc.Status{}, &listeners[i]))
	}
	for _, stream := range streams {
		res, err := stream.Recv()
		must0(err)
		fmt.Println(res.Value)
		_, err = stream.Recv()
		fmt.Println(err)
	}
	must0(ch.Close())
	must0(s.Shutdown(background))
	// Output:
	// the news at nine
	// EOF
	// the news at nine
	// EOF
	// the news at nine
	// EOF
}
