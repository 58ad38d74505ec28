// Benchmark runs cqrpc and grpc-go side by side on this machine and prints
// what each costs, with ratios:
//
//	go run ./benchmark
//
// Client and server are processes of their own, both of the implementation in
// question, on loopback. The implementations take turns within each round, and
// the median of the rounds is reported: on a shared machine only ratios of one
// run mean anything.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 3, "how often each measurement is repeated")
	duration := flag.Duration("d", 2*time.Second, "how long one measurement lasts, after a warm-up")
	streams := flag.Int("streams", 10000, "idle streams to open")
	conns := flag.Int("conns", 500, "idle connections to open")
	only := flag.String("only", "", "run only measurements whose name contains this")
	serve := flag.String("serve", "", "internal: be the server of this implementation")
	drive := flag.String("drive", "", "internal: be the client of this implementation")
	scenario := flag.String("scenario", "", "internal: what the client does")
	addr := flag.String("addr", "", "internal: where the server is")
	flag.Parse()

	var err error
	switch {
	case *serve != "":
		err = runServer(*serve)
	case *drive != "":
		err = runClient(*drive, *scenario, *addr, *duration)
	default:
		err = compare(plan{
			rounds: *rounds, duration: *duration, streams: *streams, conns: *conns, only: *only,
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

// implementations in the order of the table; the last is what ratios refer to.
var implementations = []implementation{
	{"cqrpc batch", serveBatch, dialBatch},
	{"cqrpc sync", serveSync, dialSync},
	{"grpc-go", serveGRPC, dialGRPC},
}

const baseline = "grpc-go"

// implementation is one library in one style, both ends.
type implementation struct {
	name  string
	serve func(ready func(addr string)) error // until the process is killed
	dial  func(addr string) (driver, error)
}

func find(name string) (implementation, error) {
	for _, impl := range implementations {
		if impl.name == name {
			return impl, nil
		}
	}
	return implementation{}, fmt.Errorf("no implementation %q", name)
}

// driver is the client's side of the measurements.
type driver interface {
	// unary keeps n calls in flight until stop is closed; done counts them.
	unary(n int, done *counter, stop <-chan struct{}) error
	// pingPong bounces messages on n streams.
	pingPong(n int, done *counter, stop <-chan struct{}) error
	// down receives messages of size bytes on one stream.
	down(size int, done *counter, stop <-chan struct{}) error
	// idle opens n streams, exchanges one message on each, and keeps them.
	idle(n int) error
	close()
}

// measurement is one row of the table.
type measurement struct {
	name string
	unit string
	run  func(d driver, done *counter, stop <-chan struct{}) error
}

var measurements = []measurement{
	{"unary x1", "calls/s", func(d driver, c *counter, stop <-chan struct{}) error { return d.unary(1, c, stop) }},
	{"unary x100", "calls/s", func(d driver, c *counter, stop <-chan struct{}) error { return d.unary(100, c, stop) }},
	{"ping-pong x1", "msgs/s", func(d driver, c *counter, stop <-chan struct{}) error { return d.pingPong(1, c, stop) }},
	{"ping-pong x100", "msgs/s", func(d driver, c *counter, stop <-chan struct{}) error {
		return d.pingPong(100, c, stop)
	}},
	{"stream 1 KiB", "msgs/s", func(d driver, c *counter, stop <-chan struct{}) error { return d.down(1<<10, c, stop) }},
	{"stream 1 MiB", "msgs/s", func(d driver, c *counter, stop <-chan struct{}) error { return d.down(1<<20, c, stop) }},
}

func (m measurement) wanted(only string) bool { return strings.Contains(m.name, only) }
