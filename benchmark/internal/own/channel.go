// Package own is the bench's clients and servers of cqrpc, one file for each end
// of each style. A slot belongs to one operation at a time; so does a call's
// record on a server.
package own

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// roots is the channels of a client, and the streams to be ended before them.
type roots struct {
	setup    load.Setup
	channels []*client.Channel
	streams  []interface{ end() }
}

func (r *roots) channel() (*client.Channel, error) {
	security := client.WithInsecure()
	if r.setup.TLS {
		security = client.WithTLS(service.ClientTLS())
	}
	ch, err := client.NewChannel(r.setup.Addr, security, client.WithCodec(codecOf(r.setup.Reuse)),
		client.WithDefaultCallOptions(client.WithMaxRecvMessage(service.MaxMessage)))
	if err == nil {
		r.channels = append(r.channels, ch)
	}
	return ch, err
}

// codecOf marshals messages, and receives into new ones or those of before.
func codecOf(reuse bool) codec.Codec {
	if reuse {
		return codec.ProtoReusing()
	}
	return codec.Proto()
}

// options are those of a unary call, in styles that take its deadline so.
func (r *roots) options() []client.CallOption {
	if r.setup.Deadline == 0 {
		return nil
	}
	return []client.CallOption{client.WithDeadline(time.Now().Add(r.setup.Deadline))}
}

// hold remembers a slot with a stream.
func (r *roots) hold(s interface{ end() }) { r.streams = append(r.streams, s) }

// end ends streams and connections.
func (r *roots) end() {
	for _, s := range r.streams {
		s.end()
	}
	for _, ch := range r.channels {
		_ = ch.Close()
	}
}

// queues is how many a client should have.
func queues(setup load.Setup) int {
	if setup.Queues > 0 {
		return setup.Queues
	}
	return min(max(setup.Conns, 1), runtime.GOMAXPROCS(0))
}

// station is completion queues with one poller each.
type station struct {
	queues  []*cq.Queue
	picked  int
	pollers sync.WaitGroup
}

func newStation(n int) *station {
	s := &station{queues: make([]*cq.Queue, n)}
	for i := range s.queues {
		q := cq.New()
		s.queues[i] = q
		s.pollers.Go(func() { poll(q) })
	}
	return s
}

// poll runs the events of one queue, many to a lock.
func poll(q *cq.Queue) {
	var events [32]cq.Event
	for {
		n, kind := q.NextN(context.Background(), events[:])
		if kind != cq.OpComplete {
			return
		}
		for i := range events[:n] {
			cq.Proceed(events[i])
		}
	}
}

func (s *station) pick() *cq.Queue {
	s.picked++
	return s.queues[s.picked%len(s.queues)]
}

func (s *station) close() {
	for _, q := range s.queues {
		q.Shutdown()
	}
	s.pollers.Wait()
}

// ignored is a tag of which nothing follows.
type ignored struct{}

func (ignored) Proceed(bool) {}

// host is a server and what it leaves behind.
type host struct {
	*server.Server

	drain func()
}

func newServer(set service.Setting) *server.Server {
	options := []server.Option{
		server.WithCodecs(codecOf(set.Reuse)),
		server.WithTransport(transport.Config{MaxConcurrentStreams: service.MaxStreams}),
		server.WithMaxRecvMessage(service.MaxMessage),
		server.WithPendingLimits(server.PendingLimits{Calls: service.MaxStreams}),
	}
	if set.TLS != nil {
		options = append(options, server.WithTLS(set.TLS))
	}
	return server.New(options...)
}

// Serve implements service.Server.
func (h *host) Serve(lis net.Listener) error {
	if err := h.Server.Serve(lis); !errors.Is(err, server.ErrServerClosed) {
		return err
	}
	return nil
}

// Close implements service.Server.
func (h *host) Close() error {
	err := h.Server.Close()
	if h.drain != nil {
		h.drain()
	}
	return err
}

// pollers is how many queues a server should have.
func pollers(s service.Setting) int {
	if s.Queues > 0 {
		return s.Queues
	}
	return runtime.GOMAXPROCS(0)
}

// must ends the process: an operation that is refused is a mistake in here,
// unless its queue has come to its end.
func must(err error) {
	if err != nil && !errors.Is(err, cq.ErrShutdown) {
		panic(err)
	}
}
