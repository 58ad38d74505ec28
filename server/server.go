package server

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/quota"
	"github.com/cqrpc/cqrpc/transport"
)

// Server serves gRPC calls. Make one with New.
type Server struct {
	// immutable
	cfg      config
	settings map[string]*call.Settings // what calls have in common, by content-subtype
	bytes    *call.Settings            // of generic calls without a subtype
	onPanic  func(method string, v any, stack []byte)
	setup    *transport.Setup // what connections have in common
	// unregistered is the method of all calls whose method nobody registered.
	unregistered *Method
	pending      pendingBudget
	unread       *quota.Quota
	workers      workers
	stopping     chan struct{} // closed by the first stop
	drained      chan struct{} // closed: stopped and no connection is open
	idle         chan struct{} // closed: drained and nothing of the application runs

	// guarded by mu until the first Serve, immutable from then on
	router router

	// atomic
	queues   atomic.Pointer[[]*cq.Queue] // replaced under mu
	asked    atomic.Bool                 // RequestCall was used: it gets unknown methods
	handling atomic.Int64                // calls of handlers

	mu sync.Mutex

	// guarded by mu
	phase      phase
	listeners  map[net.Listener]struct{}
	conns      map[*conn]struct{} // open, or closed with calls that are not done
	open       int                // connections that have not ended
	homes      int                // given so far
	notices    []shutdownNotice
	onShutdown []func() // see RegisterOnShutdown
}

// phase is how far the life of a server has come; see the drawing in the
// package documentation. What follows stopping is told by channels.
type phase uint8

const (
	building phase = iota
	serving
	stopping
)

func (p phase) String() string { return [...]string{"building", "serving", "stopping"}[p] }

// to is the only place that changes a phase; phases never go back.
func (p *phase) to(next phase) {
	if next < *p {
		panic(fmt.Sprintf("BUG: server: %v -> %v", *p, next))
	}
	*p = next
}

// New returns a server without methods, queues and listeners.
func New(opts ...Option) *Server {
	s := &Server{
		cfg:       newConfig(opts),
		stopping:  make(chan struct{}),
		drained:   make(chan struct{}),
		idle:      make(chan struct{}),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
	}
	s.settings = map[string]*call.Settings{"": s.cfg.settings(s.cfg.codecs[0])}
	for _, k := range slices.Backward(s.cfg.codecs) { // of two with the same name the first counts
		s.settings[k.Name()] = s.cfg.settings(k)
	}
	s.bytes = s.cfg.settings(codec.Bytes())
	s.onPanic = s.bytes.Panicked
	s.setup = transport.NewSetup(transport.Server, s.cfg.transport)
	s.pending.limits = s.cfg.pending
	s.unread = quota.New(s.cfg.maxUnread)
	s.unregistered = &Method{matcher: newMatcher(s)}
	s.queues.Store(new([]*cq.Queue))
	return s
}

// AddQueue gives q to the server: requests for calls can be notified there.
// Adding it again does nothing. The server shuts it down at its own end, see
// the package documentation. The error is ErrServing once Serve was called.
func (s *Server) AddQueue(q *cq.Queue) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != building {
		return ErrServing
	}
	old := *s.queues.Load()
	if slices.Contains(old, q) {
		return nil
	}
	list := append(slices.Clip(old), q)
	s.queues.Store(&list)
	return nil
}

// queueIndex finds a queue of AddQueue, of which there are a handful.
func (s *Server) queueIndex(q *cq.Queue) (int, bool) {
	i := slices.Index(*s.queues.Load(), q)
	return i, i >= 0
}

// Register adds methods, each in the style that its handler is of. It adds all
// or, on error, none: a name is malformed or taken, or Serve was called
// (ErrServing).
func (s *Server) Register(handlers ...Handler) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != building {
		return ErrServing
	}
	return s.router.addHandlers(handlers)
}

// RegisterMethod adds a method whose calls are asked for with
// RequestRegisteredCall, whatever their :authority. The errors are those of Register.
func (s *Server) RegisterMethod(name string, payload PayloadHandling) (*Method, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != building {
		return nil, ErrServing
	}
	m := &Method{name: name, payload: payload, matcher: newMatcher(s)}
	if err := s.router.addMethod(m); err != nil {
		return nil, err
	}
	return m, nil
}

// Services returns the full names, like "package.Service", of the services that
// have a method registered, in whatever style, sorted. What a generic handler or
// RequestCall takes is not among them: nobody knows its name.
func (s *Server) Services() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.router.serviceNames()
}

func (s *Server) matchersLocked() []*matcher {
	return append(s.router.matchers(), s.unregistered.matcher)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
