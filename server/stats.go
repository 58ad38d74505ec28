package server

import (
	"fmt"

	"github.com/cqrpc/cqrpc/transport"
)

// Stats is what a server has at one moment, for gauges and for questions such as what
// Shutdown is waiting for. The numbers are taken one after the other, not all at once.
type Stats struct {
	// Connections are open; those in a TLS handshake, or before HTTP/2's preface, count.
	Connections int
	// Streams are open on them: calls in progress, whoever serves them.
	Streams int
	// Handling are the calls of the sync, reactor and future styles that WithMaxHandlers
	// counts: a handler may outlast its stream.
	Handling int
	// Requests are those for calls, of the queue style, that no call has come for.
	Requests int
	// Pending are calls of the queue style that wait for a request; see WithPendingLimits.
	Pending int
	// Unread is the memory, in bytes, of messages that nobody has taken, whole or in part;
	// see WithMaxUnread.
	Unread int64
}

// Stats returns what the server has now. It looks at each connection: meant for once a
// second, not for each call. It may be called at any time.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	now := Stats{
		Connections: s.open, Handling: int(s.handling.Load()), Pending: int(s.pending.calls.Load()),
		Unread: s.unread.Used(),
	}
	conns := make([]*transport.Conn, 0, len(s.conns))
	for c := range s.conns {
		if c.transport != nil {
			conns = append(conns, c.transport)
		}
	}
	matchers := s.matchersLocked()
	s.mu.Unlock()
	for _, c := range conns {
		now.Streams += c.NumStreams()
	}
	for _, m := range matchers {
		now.Requests += m.numRequests()
	}
	return now
}

// String is one line for humans: phase, queues, methods, and the Stats.
func (s *Server) String() string {
	s.mu.Lock()
	phase, methods := s.phase, len(s.router.routes)
	s.mu.Unlock()
	state := phase.String()
	if isClosed(s.drained) {
		state = "drained"
	}
	if isClosed(s.idle) {
		state = "idle"
	}
	now := s.Stats()
	return fmt.Sprintf("server.Server(%s, queues %d, methods %d, connections %d, streams %d, handling %d, "+
		"requests %d, pending %d, unread %d)",
		state, len(*s.queues.Load()), methods, now.Connections, now.Streams, now.Handling,
		now.Requests, now.Pending, now.Unread)
}
