// Proxy passes calls of any method on to another server, with bytes for messages,
// from completion queues: two calls, one in and one out, at the level of batches.
//
//	go run ./examples/proxy                                               a guide, a proxy and a traveller, here
//	go run ./examples/proxy -listen 127.0.0.1:50052 -to 127.0.0.1:50051   passes on, until interrupted
//
// proxy.go is the server, exchange.go what happens to one call.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"time"

	"github.com/cqrpc/cqrpc/client"
)

const queues = 2

func main() {
	listen := flag.String("listen", "", "take calls on this address instead of running the demonstration")
	to := flag.String("to", "", "pass them on to the server at this address")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *listen, *to); err != nil {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, listen, to string) error {
	switch {
	case listen == "" && to == "":
		return demonstrate(ctx, out)
	case listen == "" || to == "":
		return errors.New("-listen and -to belong together")
	}
	return withProxy(listen, to, func(address string) error {
		fmt.Fprintf(out, "passing calls on from %s to %s, interrupt to stop\n", address, to)
		<-ctx.Done()
		return nil
	})
}

// withProxy has a proxy while f runs.
func withProxy(listen, to string, f func(address string) error) error {
	backend, err := client.NewChannel(to, client.WithInsecure())
	if err != nil {
		return err
	}
	defer backend.Close()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	p, err := newProxy(listener, backend, queues)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	err = f(listener.Addr().String())
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(err, p.stop(ctx))
}
