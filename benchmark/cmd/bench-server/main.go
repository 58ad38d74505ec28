// Bench-server serves grpc.testing.BenchmarkService with one implementation in
// one style. It prints its address when it listens. At SIGUSR1 it gives unused
// memory back to the system, at SIGUSR2 too, and then prints a line of JSON with
// what it has used so far. SIGTERM and SIGINT end it.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/cqrpc/cqrpc/benchmark/internal/profile"
	"github.com/cqrpc/cqrpc/benchmark/internal/roster"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/benchmark/internal/usage"
)

func main() {
	var set service.Setting
	var profiles profile.Set
	profiles.Flags(flag.CommandLine)
	addr := flag.String("addr", "127.0.0.1:0", "where to listen")
	name := flag.String("impl", "cqrpc", "implementation: cqrpc, grpc-go, connect-go; tcp is the floor")
	style := flag.String("style", "queue", "style of cqrpc: raw, sync, queue, reactor, future")
	flag.IntVar(&set.Queues, "queues", 0, "completion queues, or pollers; 0: one per processor")
	flag.BoolVar(&set.Inline, "inline", true, "reactor: react on the engine's goroutine, not in a pool")
	flag.BoolVar(&set.Reuse, "reuse", true, "raw, queue, reactor: receive into the memory of the message before")
	flag.IntVar(&set.Workers, "workers", 0, "grpc-go: NumStreamWorkers")
	secure := flag.Bool("tls", false, "encrypt: cqrpc and grpc-go")
	flag.Parse()
	if err := profiles.Around(func() error { return run(*addr, *name, *style, *secure, set) }); err != nil {
		fmt.Fprintln(os.Stderr, "bench-server:", err)
		os.Exit(1)
	}
}

func run(addr, name, style string, secure bool, set service.Setting) error {
	entry, err := roster.Find(name, style)
	if err != nil {
		return err
	}
	if secure {
		if err := entry.CheckTLS(); err != nil {
			return err
		}
		if set.TLS, err = service.ServerTLS(); err != nil {
			return err
		}
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGINT)
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s, err := entry.NewServer(set)
	if err != nil {
		return errors.Join(err, lis.Close())
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	fmt.Println(lis.Addr())
	for {
		select {
		case err := <-served:
			return err
		case sig := <-signals:
			switch sig {
			case syscall.SIGUSR1:
				debug.FreeOSMemory()
			case syscall.SIGUSR2:
				debug.FreeOSMemory()
				if err := json.NewEncoder(os.Stdout).Encode(usage.Self()); err != nil {
					return err
				}
			default:
				return nil // what is under way ends with the process
			}
		}
	}
}
