package resolver_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/resolver"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
)

// greeter greets with a word of its own.
type greeter struct{ word string }

func (g greeter) SayHello(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
	return &pb.HelloReply{Message: g.word + " " + req.GetName()}, nil
}

// serve starts a server, and returns its address and what stops it.
func serve(word string) (address string, stop func()) {
	s := server.New()
	must(s.Register(server.Unary(pb.Greeter_SayHello, greeter{word}.SayHello)))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	return lis.Addr().String(), func() {
		must(s.Shutdown(context.Background()))
		<-served
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// The application says where the servers are, and the channel follows.
func ExampleManual() {
	first, stopFirst := serve("Hello")
	second, stopSecond := serve("Good morning")
	defer stopSecond()

	names := new(resolver.Manual)
	names.Report(resolver.Addresses(first), nil)
	ch, err := client.NewChannel("greeter", client.WithInsecure(), client.WithResolver(names))
	must(err)
	defer ch.Close()
	greeter := pb.NewGreeterSyncClient(ch)
	reply, err := greeter.SayHello(context.Background(), &pb.HelloRequest{Name: "gopher"})
	fmt.Println(reply.GetMessage(), err)

	names.Report(resolver.Addresses(second), nil)
	stopFirst() // waits for the channel to leave
	reply, err = greeter.SayHello(context.Background(), &pb.HelloRequest{Name: "gopher"})
	fmt.Println(reply.GetMessage(), err)
	// Output:
	// Hello gopher <nil>
	// Good morning gopher <nil>
}

// file is a resolver that looks into a file now and then: an address on each line.
type file struct{ every time.Duration }

func (f file) Watch(ctx context.Context, w *resolver.Watch) error {
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(resolver.Name(w.Target()))
		w.Report(resolver.Addresses(strings.Fields(string(text))...), err)
		select {
		case <-tick.C:
		case <-w.ResolveNow(): // a server does not answer: do not wait
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A resolver of one's own: a list that does not change costs nothing, so it may be reported as
// often as is convenient.
func ExampleResolver() {
	address, stop := serve("Hello")
	defer stop()
	f, err := os.CreateTemp("", "servers")
	must(err)
	defer os.Remove(f.Name())
	_, err = fmt.Fprintln(f, address)
	must(err)
	must(f.Close())

	ch, err := client.NewChannel("file:///"+f.Name(), client.WithInsecure(), client.WithAuthority("greeter"),
		client.WithResolver(file{every: time.Minute}), client.WithBalancing(client.RoundRobin))
	must(err)
	defer ch.Close()
	reply, err := pb.NewGreeterSyncClient(ch).SayHello(context.Background(), &pb.HelloRequest{Name: "gopher"})
	fmt.Println(reply.GetMessage(), err)
	// Output: Hello gopher <nil>
}

// One that can only be asked is a function.
func ExampleFunc() {
	address, stop := serve("Hello")
	defer stop()
	registry := map[string][]string{"greeter": {address}}

	lookup := resolver.Func(func(_ context.Context, name string) ([]resolver.Address, error) {
		return resolver.Addresses(registry[name]...), nil
	})
	ch, err := client.NewChannel("registry:///greeter", client.WithInsecure(), client.WithResolver(lookup))
	must(err)
	defer ch.Close()
	reply, err := pb.NewGreeterSyncClient(ch).SayHello(context.Background(), &pb.HelloRequest{Name: "gopher"})
	fmt.Println(reply.GetMessage(), err)
	// Output: Hello gopher <nil>
}
