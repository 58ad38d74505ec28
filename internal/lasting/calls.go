// Package lasting is for services whose calls last as long as their clients want: it
// ends them when their server begins to shut down, which would otherwise wait for them.
package lasting

import (
	"sync"

	"github.com/cqrpc/cqrpc"
)

// Call is a call that can be ended from outside: a server's reactor. If the call has
// finished by itself, Finish does nothing.
type Call interface{ Finish(st cqrpc.Status) }

// Calls are those of a service that have not ended. The zero value is ready. All
// methods may be called concurrently.
type Calls struct {
	mu sync.Mutex

	// guarded by mu
	isOver bool
	open   map[Call]struct{}
}

// over is the status that ends them: another server may have the service.
var over = cqrpc.Status{Code: cqrpc.CodeUnavailable, Message: "the server is shutting down"}

// Add adds a call, or ends it if End was called before.
func (s *Calls) Add(c Call) {
	s.mu.Lock()
	isOver := s.isOver
	if !isOver {
		if s.open == nil {
			s.open = make(map[Call]struct{})
		}
		s.open[c] = struct{}{}
	}
	s.mu.Unlock()
	if isOver {
		c.Finish(over)
	}
}

// Remove removes a call that has ended.
func (s *Calls) Remove(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// End ends them all, with UNAVAILABLE, and those that are added later.
func (s *Calls) End() {
	s.mu.Lock()
	open := s.open
	s.open, s.isOver = nil, true
	s.mu.Unlock()
	for c := range open {
		c.Finish(over)
	}
}
