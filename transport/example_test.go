package transport_test

import (
	"fmt"
	"net"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/transport"
)

// bystander is a Handler that takes no streams.
type bystander struct {
	ready  chan struct{}
	closed chan error
}

func newBystander() bystander { return bystander{make(chan struct{}), make(chan error, 1)} }

func (b bystander) OnStream(*transport.Stream, *frame.Headers, *cq.Lane) {}
func (b bystander) OnReady()                                             { close(b.ready) }
func (b bystander) OnDrain(error)                                        {}
func (b bystander) OnClosed(err error)                                   { b.closed <- err }

// Two ends of one connection: nothing tells them apart but their side.
func ExampleNew() {
	var near, far net.Conn = memconn.Pipe()
	us, them := newBystander(), newBystander()
	c := transport.New(transport.Client, near, transport.Config{}, us)
	s := transport.New(transport.Server, far, transport.Config{}, them)
	<-us.ready

	answered := make(chan error)
	c.Ping(func(_ time.Duration, err error) { answered <- err })
	fmt.Println("ping:", <-answered)

	s.Drain() // GOAWAY, twice; nothing is in progress, so that is the end
	fmt.Println("server:", <-them.closed)
	<-us.closed
	// Output:
	// ping: <nil>
	// server: <nil>
}
