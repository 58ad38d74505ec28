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
// UNAVAILABLE, and connections are drained, so that calls in progress go on. When the
// last connection has ended, tag comes out of q, true. q need not be one of AddQueue.
// It may be called again; every tag comes. The error is cq.ErrShutdown if q is finished,
// and then nothing has begun.
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
// long; a server that is still serving goes on taking new connections.
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

// Shutdown ends the server gracefully, as ShutdownAndNotify does, and waits until
// connections have ended and handlers have returned, including the last reactions of
// reactors and callbacks of futures. If ctx ends first, it cancels all calls, waits at
// most 2 s for that to take effect, and returns an error that wraps ctx's cause and says
// how many handlers still run. In the end it shuts down the queues of AddQueue, so that
// their pollers only have to take events until Shutdown. Nobody need poll for it to
// return. With a context that never ends, a call that never ends keeps it waiting; a
// handler that calls it waits for itself.
//
// A long stream ends when its client ends it, unless its handler sends a status because
// of [Server.Stopping].
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

// Stopping is closed when the server begins to end, by Shutdown, ShutdownAndNotify or
// Close: for handlers of long streams, and for code that ends those of the other
// styles. Calls in progress go on. It does not tell of a single connection that
// ends, for instance because of its age.
func (s *Server) Stopping() <-chan struct{} { return s.stopping }

// RegisterOnShutdown calls f when Stopping is closed, or at once if it is: for services
// with long calls, to end these. Each function has a goroutine of its own; Shutdown waits
// for the calls, not for f. A call may still come after f, from a client that has not heard
// of the end yet: a service that keeps a list of its calls for f has to look at Stopping,
// too, when it adds one.
func (s *Server) RegisterOnShutdown(f func()) {
	s.mu.Lock()
	isOver := s.phase == stopping
	if !isOver {
		s.onShutdown = append(s.onShutdown, f)
	}
	s.mu.Unlock()
	if isOver {
		go f()
	}
}

// Close ends the server at once: Shutdown with no patience for calls. The error
// says how many handlers still run; nil if none does.
func (s *Server) Close() error {
	s.stop()
	return s.cancel()
}

// cancel cancels what is left of the calls and waits for handlerGrace.
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
	onShutdown := s.onShutdown
	s.onShutdown = nil
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
	for _, f := range onShutdown {
		go f()
	}
	s.notify()
}

// endLocked closes drained and idle when the server is.
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
