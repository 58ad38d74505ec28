package main

import (
	"context"
	"fmt"

	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
)

// greeting is what every server answers.
func greeting(req *pb.HelloRequest) string { return "Hello " + req.GetName() }

// style is one way to program against calls: the Greeter and a client of it, written
// in that way.
type style struct {
	name string
	// serve registers the Greeter. drain is called when the server has been shut
	// down and waits for what the style has running.
	serve func(s *server.Server, out *printer, o options) (drain func() error, err error)
	// greet makes o.calls calls.
	greet func(ctx context.Context, ch *client.Channel, out *printer, o options) error
}

// styles lists them all.
func styles() []style {
	return []style{
		{"sync", serveSync, greetSync},
		{"queue", serveQueue, greetQueue},
		{"reactor", serveReactor, greetReactor},
		{"future", serveFuture, greetFuture},
	}
}

// styleNamed finds a style.
func styleNamed(name string) (style, error) {
	for _, s := range styles() {
		if s.name == name {
			return s, nil
		}
	}
	return style{}, fmt.Errorf("-style %q: want sync, queue, reactor or future", name)
}

// request is the i-th of a client's calls, counting from 1.
func (o options) request(i int) *pb.HelloRequest {
	return &pb.HelloRequest{Name: fmt.Sprintf("%s %d", o.name, i)}
}
