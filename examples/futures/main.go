// Futures is the talk "Futures and gRPC in Rust" on cqrpc: futures and what
// combines them, the calls of the four shapes as futures, sinks and streams, and
// the environment whose completion queues resolve them.
//
//	go run ./examples/futures
//
// The server is guide.go, on a loopback port.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq/future"
	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
	"github.com/cqrpc/cqrpc/server"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "futures:", err)
		os.Exit(1)
	}
}

// run prints the talk, part by part. Everything is printed by this goroutine, or
// while it waits.
func run(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out := screen{w}
	if err := combine(ctx, out); err != nil {
		return err
	}
	// One environment serves both sides: two queues with a poller each. A stub
	// lives on one of them, the calls of the server are dealt out to both.
	env := future.NewEnvironment(2, future.WithName("talk"))
	h, err := newHost(env)
	if err != nil {
		return errors.Join(err, env.Close())
	}
	err = makeCalls(ctx, out, h, env)
	return errors.Join(err, h.stop(), env.Close())
}

// makeCalls makes a call of each shape, and two that do not come to their end.
func makeCalls(ctx context.Context, out screen, h *host, env *future.Environment) error {
	channel, err := client.NewChannel(h.listener.Addr().String(), client.WithInsecure())
	if err != nil {
		return err
	}
	defer channel.Close()
	v := visitor{out, pb.NewRouteGuideFutureClient(channel, env)}
	for _, show := range []func(context.Context) error{
		v.unary, v.several, v.clientStreaming, v.serverStreaming, v.duplex, v.cancel,
	} {
		if err := show(ctx); err != nil {
			return err
		}
	}
	return leaveOpen(ctx, out, channel)
}

// screen is where everything is printed.
type screen struct{ w io.Writer }

func (s screen) linef(format string, args ...any) { _, _ = fmt.Fprintf(s.w, format+"\n", args...) }

// host runs the server.
type host struct {
	server   *server.Server
	listener net.Listener
	served   chan error
}

func newHost(env *future.Environment) (*host, error) {
	h := &host{server: server.New(), served: make(chan error, 1)}
	err := pb.RegisterRouteGuideFutureServer(h.server, &guide{}, env)
	if err == nil {
		h.listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, err
	}
	go func() { h.served <- h.server.Serve(h.listener) }()
	return h, nil
}

// stop lets the calls end.
func (h *host) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := h.server.Shutdown(ctx)
	if served := <-h.served; !errors.Is(served, server.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
