package client

import (
	"sync"

	"github.com/cqrpc/cqrpc/transport"
)

// connSet is the connections of a channel from their beginning to their end, including
// those that take no more streams, which nobody else knows.
type connSet struct {
	mu    sync.Mutex
	conns map[*transport.Conn]struct{} // guarded by mu
}

func (s *connSet) add(conn *transport.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = make(map[*transport.Conn]struct{})
	}
	s.conns[conn] = struct{}{}
}

func (s *connSet) remove(conn *transport.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// close ends them all; calls in progress fail with cause.
func (s *connSet) close(cause error) {
	s.mu.Lock()
	conns := s.conns
	s.conns = nil
	s.mu.Unlock()
	for conn := range conns {
		conn.CloseWith(cause)
	}
}
