// Helloworld is the Greeter of gRPC's tutorials on cqrpc: an async server and
// client on completion queues, a server with several queues and pollers, and
// the sync style.
//
//	go run ./examples/helloworld                                 greets in every way, here
//	go run ./examples/helloworld -listen 127.0.0.1:50051         only serves, until interrupted
//	go run ./examples/helloworld -connect 127.0.0.1:50051        only greets
//
// With -listen and -connect, -style is async or sync; -queues and -pollers
// shape the async server. Any gRPC client can greet it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"time"

	"github.com/cqrpc/cqrpc/client"
)

// options is the command line.
type options struct {
	listen, connect  string
	style            string
	queues, pollers  int
	name             string
	calls            int
	shutdownDeadline time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "", "serve on this address instead of running the demonstration")
	flag.StringVar(&o.connect, "connect", "", "greet the server at this address instead")
	flag.StringVar(&o.style, "style", "async", "async or sync, with -listen and -connect")
	flag.IntVar(&o.queues, "queues", 1, "completion queues of the async server")
	flag.IntVar(&o.pollers, "pollers", 1, "goroutines that poll each queue")
	flag.StringVar(&o.name, "name", "world", "whom to greet")
	flag.IntVar(&o.calls, "calls", 3, "how many greetings")
	flag.DurationVar(&o.shutdownDeadline, "shutdown", 5*time.Second, "how long calls may take to end at shutdown")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &printer{w: os.Stdout}, o); err != nil {
		fmt.Fprintln(os.Stderr, "helloworld:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out *printer, o options) error {
	switch {
	case o.style != "async" && o.style != "sync":
		return fmt.Errorf("-style %q: want async or sync", o.style)
	case o.queues < 1 || o.pollers < 1 || o.calls < 1:
		return fmt.Errorf("-queues, -pollers and -calls must be at least 1")
	case o.listen != "" && o.connect != "":
		return fmt.Errorf("-listen and -connect exclude each other")
	case o.listen != "":
		return listenAndServe(ctx, out, o)
	case o.connect != "":
		return greet(ctx, out, o.connect, o)
	}
	return demonstrate(ctx, out, o)
}

// demonstrate starts each kind of server on a free loopback port and greets it.
func demonstrate(ctx context.Context, out *printer, o options) error {
	for _, kind := range []struct {
		title  string
		style  string
		queues int
	}{
		{"async server, one queue and one poller (the completion-queue tutorial)", "async", 1},
		{"async server, three queues with a poller each (a pool of pollers)", "async", 3},
		{"sync server (a function per method)", "sync", 0},
	} {
		out.linef("%s", kind.title)
		o := o
		o.listen, o.style, o.queues = "127.0.0.1:0", kind.style, kind.queues
		if err := serveAndGreet(ctx, out, o); err != nil {
			return err
		}
	}
	return nil
}

func serveAndGreet(ctx context.Context, out *printer, o options) error {
	s, err := startServer(out, o)
	if err != nil {
		return err
	}
	for _, style := range []string{"async", "sync"} {
		o.style = style
		if err := greet(ctx, out, s.addr().String(), o); err != nil {
			return err
		}
	}
	return s.stop()
}

// listenAndServe serves until ctx ends.
func listenAndServe(ctx context.Context, out *printer, o options) error {
	s, err := startServer(out, o)
	if err != nil {
		return err
	}
	out.linef("serving on %v, interrupt to stop", s.addr())
	<-ctx.Done()
	return s.stop()
}

// runningServer is a server of either style.
type runningServer interface {
	addr() net.Addr
	stop() error
}

func startServer(out *printer, o options) (runningServer, error) {
	lis, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, err
	}
	if o.style == "sync" {
		return startSyncServer(out, lis, o)
	}
	return startAsyncServer(out, lis, o)
}

// greet makes the calls in one style.
func greet(ctx context.Context, out *printer, addr string, o options) error {
	channel, err := client.NewChannel(addr, client.WithInsecure())
	if err != nil {
		return err
	}
	defer channel.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if o.style == "sync" {
		return greetSync(ctx, out, channel, o)
	}
	return greetAsync(ctx, out, channel, o)
}

// printer writes whole lines, from any goroutine.
type printer struct{ w io.Writer }

func (p *printer) linef(format string, args ...any) {
	_, _ = io.WriteString(p.w, fmt.Sprintf(format, args...)+"\n") // one write: lines do not mix
}
