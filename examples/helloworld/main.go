// Helloworld is the Greeter of gRPC's tutorials on cqrpc in each of the four
// styles, client and server: sync, completion queue, reactor and future.
//
//	go run ./examples/helloworld                                 greets in every way, here
//	go run ./examples/helloworld -listen 127.0.0.1:50051         only serves, until interrupted
//	go run ./examples/helloworld -connect 127.0.0.1:50051        only greets
//
// With -listen and -connect, -style is sync, queue, reactor or future; -queues
// shapes the servers of the styles queue and future, -pollers that of queue.
// Any gRPC client can greet them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
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
	flag.StringVar(&o.style, "style", "queue", "sync, queue, reactor or future, with -listen and -connect")
	flag.IntVar(&o.queues, "queues", 1, "completion queues of a server of the style queue or future")
	flag.IntVar(&o.pollers, "pollers", 1, "goroutines that poll each queue of the style queue")
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
	s, err := styleNamed(o.style)
	switch {
	case err != nil:
		return err
	case o.queues < 1 || o.pollers < 1 || o.calls < 1:
		return errors.New("-queues, -pollers and -calls must be at least 1")
	case o.listen != "" && o.connect != "":
		return errors.New("-listen and -connect exclude each other")
	case o.listen != "":
		return listenAndServe(ctx, out, s, o)
	case o.connect != "":
		return greet(ctx, out, s, o.connect, o)
	}
	return demonstrate(ctx, out, o)
}

// demonstrate starts each kind of server on a free loopback port, and a client
// of every style greets it.
func demonstrate(ctx context.Context, out *printer, o options) error {
	for _, kind := range []struct {
		title  string
		style  string
		queues int
	}{
		{"queue server, one queue and one poller (the completion-queue tutorial)", "queue", 1},
		{"queue server, three queues with a poller each (a pool of pollers)", "queue", 3},
		{"reactor server (the callback tutorial)", "reactor", 0},
		{"future server, an environment of two queues", "future", 2},
		{"sync server (a function per method)", "sync", 0},
	} {
		out.linef("%s", kind.title)
		o := o
		o.listen, o.queues = "127.0.0.1:0", kind.queues
		s, err := styleNamed(kind.style)
		if err == nil {
			err = serveAndGreet(ctx, out, s, o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func serveAndGreet(ctx context.Context, out *printer, s style, o options) error {
	h, err := newHost(s, out, o)
	if err != nil {
		return err
	}
	for _, guest := range styles() {
		err = errors.Join(err, greet(ctx, out, guest, h.addr(), o))
	}
	return errors.Join(err, h.stop())
}

// listenAndServe serves until ctx ends.
func listenAndServe(ctx context.Context, out *printer, s style, o options) error {
	h, err := newHost(s, out, o)
	if err != nil {
		return err
	}
	out.linef("serving on %s, interrupt to stop", h.addr())
	<-ctx.Done()
	return h.stop()
}

// greet makes the calls in one style.
func greet(ctx context.Context, out *printer, s style, addr string, o options) error {
	channel, err := client.NewChannel(addr, client.WithInsecure())
	if err != nil {
		return err
	}
	defer channel.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return s.greet(ctx, channel, out, o)
}

// printer writes whole lines, from any goroutine.
type printer struct{ w io.Writer }

func (p *printer) linef(format string, args ...any) {
	_, _ = io.WriteString(p.w, fmt.Sprintf(format, args...)+"\n") // one write: lines do not mix
}
