package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
)

// syncServer serves the Greeter with a function.
type syncServer struct {
	out      *printer
	options  options
	listener net.Listener
	server   *server.Server
	served   chan error
}

func startSyncServer(out *printer, lis net.Listener, o options) (*syncServer, error) {
	s := &syncServer{out: out, options: o, listener: lis, server: server.New(), served: make(chan error, 1)}
	if err := s.server.Register(server.Unary(sayHello, s.sayHello)); err != nil {
		return nil, err
	}
	go func() { s.served <- s.server.Serve(lis) }()
	return s, nil
}

// sayHello runs on a goroutine of its own for every call.
func (s *syncServer) sayHello(_ context.Context, req *greeterpb.HelloRequest) (*greeterpb.HelloReply, error) {
	reply := greeting(req)
	s.out.linef("  server: handler answers %q", reply.GetMessage())
	return reply, nil
}

func (s *syncServer) addr() net.Addr { return s.listener.Addr() }

func (s *syncServer) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.shutdownDeadline)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if served := <-s.served; !errors.Is(served, server.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.out.linef("  server: shut down")
	return err
}

// greetSync makes one call after the other.
func greetSync(ctx context.Context, out *printer, channel *client.Channel, o options) error {
	for i := 1; i <= o.calls; i++ {
		reply, err := client.Unary(ctx, channel, sayHello, &greeterpb.HelloRequest{Name: fmt.Sprintf("%s %d", o.name, i)})
		if err != nil {
			return err
		}
		out.linef("  sync client: reply %q", reply.GetMessage())
	}
	return nil
}
