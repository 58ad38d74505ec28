// Bench-client drives a server of grpc.testing.BenchmarkService with one
// implementation in one style. The last line it prints is a JSON object, see
// package load. In the idle modes, and with -gate, it holds what it has opened
// until SIGTERM.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/benchmark/internal/profile"
	"github.com/cqrpc/cqrpc/benchmark/internal/roster"
)

const modes = "unary, pingpong, down, up, send, fetch, idle-streams, idle-conns"

func main() {
	var setup load.Setup
	var p load.Plan
	var profiles profile.Set
	profiles.Flags(flag.CommandLine)
	flag.StringVar(&setup.Addr, "addr", "", "address of the server")
	name := flag.String("impl", "cqrpc", "implementation: cqrpc, grpc-go, connect-go; tcp is the floor")
	style := flag.String("style", "queue", "style of cqrpc: raw, sync, queue, reactor, future")
	flag.StringVar((*string)(&p.Mode), "mode", string(load.Unary), modes)
	flag.IntVar(&p.Conns, "conns", 1, "connections")
	flag.IntVar(&p.Streams, "streams", 1, "calls or streams in flight, or held, per connection")
	flag.IntVar(&p.Held, "held", 0, "idle streams held open beside them, per connection")
	flag.IntVar(&p.Crowd.Streams, "crowd", 0, "unary: streams beside them on which messages come, per connection")
	flag.IntVar(&p.Crowd.Size, "crowd-size", 1<<10, "payload of a message on them, in bytes")
	flag.Float64Var(&p.Crowd.Rate, "crowd-rate", 0, "messages taken of all of them per second; 0: as many as can be")
	gate := flag.Bool("gate", false, "when they are open print a line, go on at SIGUSR1; hold them until SIGTERM")
	flag.IntVar(&p.Size, "size", 32, "payload of a message in bytes")
	flag.Float64Var(&p.Rate, "rate", 0, "operations per second, paced; 0: as many as can be")
	flag.DurationVar(&p.Warmup, "warmup", 500*time.Millisecond, "how long to run before measuring")
	flag.DurationVar(&p.Duration, "d", 3*time.Second, "how long to measure; how long idle-conns settle first")
	flag.IntVar(&setup.Queues, "queues", 0, "completion queues; 0: as many as connections, at most as processors")
	flag.BoolVar(&setup.Inline, "inline", true, "reactor: react on the engine's goroutine, not in a pool")
	flag.BoolVar(&setup.Reuse, "reuse", true, "raw, queue, reactor: receive into the memory of the message before")
	flag.DurationVar(&p.Deadline, "deadline", 0, "deadline of a unary call; 0: none")
	flag.BoolVar(&p.TLS, "tls", false, "encrypt, and trust any server: cqrpc and grpc-go")
	flag.Parse()
	setup.Follow(p)
	if *gate {
		p.Opened = newGate(p.Held)
	}
	if err := profiles.Around(func() error { return run(*name, *style, setup, p) }); err != nil {
		fmt.Fprintln(os.Stderr, "bench-client:", err)
		os.Exit(1)
	}
}

// newGate returns what waits between opening and measuring, so that what a server has
// used to open streams is not counted as the cost of calls.
func newGate(held int) func(context.Context) error {
	opens := make(chan os.Signal, 1)
	signal.Notify(opens, syscall.SIGUSR1)
	return func(ctx context.Context) error {
		fmt.Printf("{\"held\":%d}\n", held)
		select {
		case <-opens:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func run(name, style string, setup load.Setup, p load.Plan) error {
	entry, err := roster.Find(name, style)
	if err != nil {
		return err
	}
	if setup.TLS {
		if err := entry.CheckTLS(); err != nil {
			return err
		}
	}
	if setup.Addr == "" {
		return errors.New("-addr is missing")
	}
	c, err := entry.NewClient(setup)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	r, err := load.Run(ctx, c, p)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return err
	}
	if p.Mode.Idle() || p.Opened != nil {
		<-ctx.Done()
		return nil // what is held ends with the process
	}
	return c.Close()
}
