package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/transport"
)

// shutdownNotice is a tag that comes out when the server has drained.
type shutdownNotice struct {
	queue *cq.Queue
	tag   cq.Tag
}

// handlerGrace is how long Shutdown and Close wait, once all calls are
// cancelled, for handlers to notice it and for peers to close their sockets.
const handlerGrace = 2 * time.Second

// ShutdownAndNotify begins the end of the server: listeners are closed,
// requests for calls come back false, calls that nobody asked for end with
// UNAVAILABLE, and connections are drained: calls in progress go on. When the
// last connection has ended, tag comes out of q, true. q must be open, and
// need not be one of AddQueue. It may be called again; every tag comes.
// The error is cq.ErrShutdown, and then nothing has begun.
func (s *Server) ShutdownAndNotify(q *cq.Queue, tag cq.Tag) error {
	if !q.Begin() {
		return cq.ErrShutdown
	}
	s.mu.Lock()
	over := isClosed(s.drained)
	if !over {
		s.notices = append(s.notices, shutdownNotice{q, tag})
	}
	s.mu.Unlock()
	if over {
		q.Complete(cq.Completion{Tag: tag, OK: true})
		return nil
	}
	s.stop()
	return nil
}

// CancelAllCalls closes all connections at once: clients see UNAVAILABLE, the
// server's calls are cancelled. It is meant for a server whose shutdown takes too
// long: one that still serves goes on taking new connections.
func (s *Server) CancelAllCalls() {
	s.mu.Lock()
	for c := range s.conns {
		c.cut = true
	}
	open, securing := s.connsLocked()
	s.mu.Unlock()
	for _, t := range open {
		t.CloseWith(errCancelled)
	}
	for _, nc := range securing {
		_ = nc.Close()
	}
}

// connsLocked lists the connections: those that speak HTTP/2, and the sockets of those
// that do not yet.
func (s *Server) connsLocked() (open []*transport.Conn, securing []io.Closer) {
	for c := range s.conns {
		if c.transport != nil {
			open = append(open, c.transport)
		} else if c.securing != nil {
			securing = append(securing, c.securing)
		}
	}
	return open, securing
}

// Shutdown ends the server gracefully, as ShutdownAndNotify does, and waits
// until connections have ended and handlers have returned, the last reactions
// of reactors and callbacks of futures with them. If ctx ends first,
// it cancels all calls, waits 2 s at most for that to take effect, and returns
// ctx's error, which says how many handlers run on. In the end it shuts down the
// queues of AddQueue: what is left to do for their pollers is to take events
// until Shutdown. It needs nobody to poll. With a context that never ends, a call
// that never ends keeps it waiting; a handler that calls it waits for itself.
//
// A stream that lasts, idle or with two directions, ends when its client ends
// it, unless who serves it sends a status because of [Server.Stopping].
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	select {
	case <-s.idle:
		s.release()
		return nil
	case <-ctx.Done():
	}
	if isClosed(s.idle) {
		s.release()
		return nil
	}
	return errors.Join(fmt.Errorf("server: calls were cancelled: %w", context.Cause(ctx)), s.cancel())
}

// Stopping is closed when the end of the server begins, by Shutdown,
// ShutdownAndNotify or Close: for handlers of streams that would last, and for
// what sends a status to those of the other styles. Calls in progress go on. It
// does not tell of a connection that ends alone, because of its age for instance.
func (s *Server) Stopping() <-chan struct{} { return s.stopping }

// RegisterOnShutdown calls f when the end of the server begins, which is when Stopping is
// closed, or at once if it has begun: for services whose calls last, to end them. Each
// function has a goroutine of its own; Shutdown waits for the calls, not for f.
func (s *Server) RegisterOnShutdown(f func()) {
	s.mu.Lock()
	isOver := s.phase == stopping
	if !isOver {
		s.farewells = append(s.farewells, f)
	}
	s.mu.Unlock()
	if isOver {
		go f()
	}
}

// Close ends the server at once: Shutdown with no patience for calls. The error
// says how many handlers run on, if any.
func (s *Server) Close() error {
	s.stop()
	return s.cancel()
}

// cancel is the end of Shutdown without grace.
func (s *Server) cancel() error {
	s.CancelAllCalls()
	t := time.NewTimer(handlerGrace)
	defer t.Stop()
	select {
	case <-s.idle:
	case <-t.C:
	}
	s.release()
	if n := s.unfinished(); n > 0 {
		return fmt.Errorf("server: handlers that have not returned: %d", n)
	}
	return nil
}

// unfinished returns for how many calls the application still runs.
func (s *Server) unfinished() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		n += c.unfinished()
	}
	return n
}

// release lets go of what the server was given, once its calls have ended.
func (s *Server) release() {
	for _, q := range *s.queues.Load() {
		q.Shutdown()
	}
	s.workers.close()
}

// stop begins the end; only the first call acts.
func (s *Server) stop() {
	s.mu.Lock()
	if s.phase == stopping {
		s.mu.Unlock()
		return
	}
	s.phase.to(stopping)
	close(s.stopping)
	drain, closers := s.connsLocked()
	for lis := range s.listeners {
		closers = append(closers, lis)
	}
	farewells := s.farewells
	s.farewells = nil
	matchers := s.matchersLocked()
	s.endLocked()
	s.mu.Unlock()

	for _, l := range closers {
		_ = l.Close()
	}
	for _, m := range matchers {
		m.shut()
	}
	for _, t := range drain {
		t.Drain()
	}
	for _, f := range farewells {
		go f()
	}
	s.notify()
}

// endLocked closes what the state of the server has come to.
func (s *Server) endLocked() {
	if s.phase != stopping || s.open > 0 {
		return
	}
	if !isClosed(s.drained) {
		close(s.drained)
	}
	if len(s.conns) == 0 && !isClosed(s.idle) {
		close(s.idle)
	}
}

// notify delivers the tags of ShutdownAndNotify if the server has drained.
func (s *Server) notify() {
	s.mu.Lock()
	var due []shutdownNotice
	if isClosed(s.drained) {
		due, s.notices = s.notices, nil
	}
	s.mu.Unlock()
	for _, n := range due {
		n.queue.Complete(cq.Completion{Tag: n.tag, OK: true})
	}
}
