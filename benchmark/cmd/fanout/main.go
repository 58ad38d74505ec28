// Fanout shows how many idle streams one server process can hold, and that one
// message reaches all of them:
//
//	go run ./benchmark/cmd/fanout -streams 1000000
//
// It starts itself again as the server. Everything is raw batches and completion
// queues. The last line it prints is a JSON object; the exit status is 0 if every
// stream got the message.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cqrpc/cqrpc/benchmark/internal/profile"
)

// options is the command line.
type options struct {
	streams, conns, size int
	patience             time.Duration
	collect              int
}

func main() {
	var o options
	var profiles profile.Set
	profiles.Flags(flag.CommandLine)
	flag.IntVar(&o.streams, "streams", 1_000_000, "idle streams")
	flag.IntVar(&o.conns, "conns", 10, "connections")
	flag.IntVar(&o.size, "size", 32, "payload of the message in bytes")
	flag.DurationVar(&o.patience, "patience", 10*time.Minute, "how long everything may take")
	flag.IntVar(&o.collect, "gogc", 25, "GOGC of both processes, in percent")
	serves := flag.Bool(serveFlag, false, "be the server: take orders from standard input, until its end")
	flag.Parse()
	err := profiles.Around(func() error {
		if *serves {
			return serve(os.Stdin, os.Stdout, o.collect)
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		r, err := run(ctx, o)
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(r)
		}
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "fanout:", err)
		os.Exit(1)
	}
}
