package client_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/resolver"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
)

// instance is a real server.
type instance struct {
	server *server.Server
	served chan error
	addr   string
}

func newInstance(t *testing.T) *instance {
	t.Helper()
	i := &instance{server: server.New(), served: make(chan error, 1)}
	hello := server.Unary(sayHello, func(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
		return &pb.HelloReply{Message: req.GetName()}, nil
	})
	chat := server.BidiStream(converse, answer)
	if err := i.server.Register(hello, chat); err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i.addr = lis.Addr().String()
	go func() { i.served <- i.server.Serve(lis) }()
	return i
}

// stop stops the server as soon as its calls have ended.
func (i *instance) stop(t *testing.T) {
	t.Helper()
	if err := i.server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	<-i.served
}

// Real servers replace each other under load, as in a rolling update, and no call fails, unary or
// stream: those that are gone are stopped, which waits for their calls.
func TestServersMoveUnderLoad(t *testing.T) {
	for _, balancing := range []client.Balancing{client.PickFirst, client.RoundRobin} {
		for _, n := range []int{1, 2} {
			t.Run(fmt.Sprint(balancing, n), func(t *testing.T) { moveUnderLoad(t, balancing, n) })
		}
	}
}

func moveUnderLoad(t *testing.T, balancing client.Balancing, connections int) {
	names := new(resolver.Manual)
	fleet := []*instance{newInstance(t), newInstance(t)}
	report := func() {
		var addrs []string
		for _, i := range fleet {
			addrs = append(addrs, i.addr)
		}
		names.Report(resolver.Addresses(addrs...), nil)
	}
	report()
	ch, err := client.NewChannel("registry:///greeter", client.WithInsecure(), client.WithResolver(names),
		client.WithBalancing(balancing), client.WithConnections(connections))
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()

	var load sync.WaitGroup
	over, end := context.WithCancel(context.Background())
	for w := range 8 {
		load.Go(func() {
			for n := 0; over.Err() == nil; n++ {
				name := fmt.Sprint(w, n)
				var reply *pb.HelloReply
				var err error
				if w%2 == 0 {
					reply, err = client.Unary(context.Background(), ch, sayHello, &pb.HelloRequest{Name: name})
				} else {
					reply, err = chatOnce(ch, name)
				}
				if err != nil || reply.GetMessage() == "" {
					t.Errorf("call %d of %d: %v, %v", n, w, reply, err)
					return
				}
			}
		})
	}
	for range 10 {
		next := newInstance(t)
		gone := fleet[0]
		fleet = []*instance{fleet[1], next}
		report()
		gone.stop(t)
		for range 20 { // the others call, too
			if _, err := client.Unary(over, ch, sayHello, &pb.HelloRequest{Name: "x"}); err != nil {
				t.Error(err)
			}
		}
	}
	end()
	load.Wait()
	for _, i := range fleet {
		names.Report(nil, nil)
		i.stop(t)
	}
}

// chatOnce has a stream of two messages.
func chatOnce(ch *client.Channel, name string) (*pb.HelloReply, error) {
	stream, err := client.BidiStream(context.Background(), ch, converse)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	var reply *pb.HelloReply
	for range 2 {
		if err := stream.Send(&pb.HelloRequest{Name: name}); err != nil {
			_, err = stream.Recv()
			return nil, err
		}
		if reply, err = stream.Recv(); err != nil {
			return nil, err
		}
	}
	return reply, stream.CloseSend()
}
