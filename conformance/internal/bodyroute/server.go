package bodyroute

import (
	"context"
	"crypto/tls"
	"net"
	"sync"

	"github.com/cqrpc/cqrpc/transport"
)

// Server answers on every connection it accepts. Make one with Serve.
type Server struct {
	// immutable
	lis net.Listener
	tls *tls.Config
	cfg transport.Config

	wg sync.WaitGroup

	mu sync.Mutex
	// guarded by mu
	closed bool
	conns  map[net.Conn]struct{}
}

// Serve serves lis until Close, over TLS if secure is not nil.
func Serve(lis net.Listener, secure *tls.Config, cfg transport.Config) *Server {
	s := &Server{lis: lis, tls: secure, cfg: cfg, conns: make(map[net.Conn]struct{})}
	s.wg.Go(s.accept)
	return s
}

// Close ends all connections and returns when nothing of them runs any more.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for nc := range s.conns {
		_ = nc.Close()
	}
	s.mu.Unlock()
	_ = s.lis.Close()
	s.wg.Wait()
}

func (s *Server) accept() {
	for {
		nc, err := s.lis.Accept()
		if err != nil {
			return
		}
		if !s.add(nc) {
			_ = nc.Close()
			return
		}
		s.wg.Go(func() {
			defer s.remove(nc)
			s.serve(nc)
		})
	}
}

func (s *Server) add(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[nc] = struct{}{}
	return true
}

func (s *Server) remove(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, nc)
}

// serve returns when the connection has ended.
func (s *Server) serve(nc net.Conn) {
	if s.tls != nil {
		tc, err := transport.ServerTLS(context.Background(), nc, s.tls)
		if err != nil {
			return
		}
		nc = tc
	}
	h := &handler{ended: make(chan struct{})}
	transport.New(transport.Server, nc, s.cfg, h)
	<-h.ended
}
