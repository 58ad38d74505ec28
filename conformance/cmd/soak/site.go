package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc/internal/faultproxy"
	"github.com/cqrpc/cqrpc/internal/ledger"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// styles are those of the servers; the ledger's is batches in the book.
var styles = []string{"batch", "sync", "queue", "reactor", "future", "ledger"}

// alive lets both ends find out soon that a connection is dead.
var alive = transport.Config{
	Keepalive:   transport.Keepalive{Time: 10 * time.Second, Timeout: 5 * time.Second},
	Enforcement: transport.Enforcement{MinTime: time.Second},
}

// site is the server and the road to it.
type site struct {
	book *ledger.Book
	seed uint64

	mu sync.Mutex
	// guarded by mu
	house *house
	proxy *faultproxy.Proxy // of the round; the address that clients dial
	road  string
}

// house is one life of the server.
type house struct {
	server  *server.Server
	address string
	served  chan error
	waits   []func() error
}

func newSite(book *ledger.Book, seed uint64) (*site, error) {
	s := &site{book: book, seed: seed}
	return s, s.build()
}

// build starts a server with every style.
func (s *site) build() error {
	h := &house{
		server: server.New(server.WithTransport(alive), server.WithCompressor("gzip")), served: make(chan error, 1),
	}
	for _, style := range styles {
		wait, err := s.mount(h.server, style)
		if err != nil {
			return err
		}
		h.waits = append(h.waits, wait)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h.address = lis.Addr().String()
	go func() { h.served <- h.server.Serve(lis) }()
	s.mu.Lock()
	s.house = h
	s.mu.Unlock()
	return nil
}

func (s *site) mount(srv *server.Server, style string) (wait func() error, err error) {
	if style == "ledger" {
		w, err := ledger.Mount(srv, s.book, prefix(style), service())
		return func() error {
			w()
			return nil
		}, err
	}
	return parity.Mount(srv, style, service().Shapes(prefix(style)))
}

// prefix is that of the methods of a server of a style.
func prefix(style string) string { return "/soak." + style + "/" }

// end ends a life of the server, and returns what it left open.
func (h *house) end(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if err := h.server.Close(); err != nil { // handlers that have not returned by now
		return fmt.Errorf("close of the server: %w", err)
	}
	if err := <-h.served; !errors.Is(err, server.ErrServerClosed) {
		return err
	}
	for i, wait := range h.waits {
		if err := wait(); err != nil {
			return fmt.Errorf("server of style %s: %w", styles[i], err)
		}
	}
	return nil
}

// restartAtTimes restarts the server, gracefully or not, until stop.
func (s *site) restartAtTimes(rnd *rand.Rand, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(time.Duration(500+rnd.IntN(3000)) * time.Millisecond):
		}
		s.mu.Lock()
		h := s.house
		s.mu.Unlock()
		if err := h.end(time.Duration(rnd.IntN(400)) * time.Millisecond); err != nil {
			return err
		}
		if err := s.build(); err != nil {
			return err
		}
	}
}

// openRoad is the network of a round.
func (s *site) openRoad(seed uint64) error {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p := faultproxy.Start(lis, s.forward, func(n int) faultproxy.Plan {
		return weather(rand.New(rand.NewPCG(seed, uint64(n)))) //nolint:gosec // n counts from 0
	})
	s.mu.Lock()
	s.proxy, s.road = p, lis.Addr().String()
	s.mu.Unlock()
	return nil
}

// closeRoad cuts what is left.
func (s *site) closeRoad() {
	s.mu.Lock()
	p := s.proxy
	s.mu.Unlock()
	p.Close()
}

// forward dials the server.
func (s *site) forward(ctx context.Context) (net.Conn, error) {
	s.mu.Lock()
	address := s.house.address
	s.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// dial is the clients' way to the road of the round.
func (s *site) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	s.mu.Lock()
	road := s.road
	s.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, "tcp", road)
}

// settle waits until the server has ended, and starts it anew: then nothing of
// the round's calls is left.
func (s *site) settle() error {
	if err := s.close(); err != nil {
		return err
	}
	return s.build()
}

// close ends the server.
func (s *site) close() error {
	s.mu.Lock()
	h := s.house
	s.mu.Unlock()
	return h.end(hang)
}

func (s *site) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.house.server.String()
}
