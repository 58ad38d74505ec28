package server

import (
	"io"
	"strings"
	"sync/atomic"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/transport"
)

// conn is one connection of the server and what its transport reports to.
type conn struct {
	// immutable once the transport runs
	server *Server
	ended  chan error // capacity 1; nil if nobody waits
	home   int        // index of its queue, see WithHomeQueue
	limit  int64      // handlers at once, negative: unlimited
	peer   call.Peer

	unread call.Account // of server.unread

	// reader only
	fresh *pieces // of the request that is on its way to OnStream

	// guarded by server.mu
	securing  io.Closer       // the socket, until HTTP/2 begins
	transport *transport.Conn // nil before
	cut       bool            // CancelAllCalls met it

	// atomic
	handling atomic.Int64 // calls of handlers that have not returned
	leaving  atomic.Int64 // calls that were released and are not done, see Accepted
	closed   atomic.Bool
}

var (
	_ transport.Handler   = (*conn)(nil)
	_ transport.Allocator = (*conn)(nil)
)

// pieces are a call and its stream, in one piece.
type pieces struct {
	stream transport.Stream
	call   call.Call
}

// NewStream implements transport.Allocator.
func (c *conn) NewStream() *transport.Stream {
	c.fresh = new(pieces)
	return &c.fresh.stream
}

// OnReady implements transport.Handler.
func (c *conn) OnReady() {}

// OnDrain implements transport.Handler; clients only.
func (c *conn) OnDrain(error) {}

// OnStream takes a request to whom it is for. If nobody accepts the stream, the
// transport refuses it as unprocessed.
func (c *conn) OnStream(st *transport.Stream, h *frame.Headers, lane *cq.Lane) {
	s := c.server
	switch r := s.router.routes[h.Value(":path")]; {
	case r.handler != nil:
		c.handle(r.handler, st, h)
	case r.method != nil:
		c.enqueue(r.method, st, h, lane)
	case s.router.generic != nil:
		c.handle(s.router.generic, st, h)
	case s.asked.Load():
		c.enqueue(s.unregistered, st, h, lane)
	default:
		c.refuseUnknown(st, h)
	}
}

// newCall makes the call of a request, or answers what is wrong with it and
// returns nil.
func (c *conn) newCall(st *transport.Stream, h *frame.Headers, isGeneric, hasOneMessage bool) *call.Call {
	s := c.server
	cfg := call.Config{
		OneMessage: hasOneMessage, Settings: s.settingsFor(contentSubtype(h.Value("content-type")), isGeneric),
		Account: &c.unread,
	}
	k, err := call.NewServerIn(&c.fresh.call, cfg, st, h, &c.peer)
	c.fresh = nil
	if err != nil {
		refuse(st, h, err)
		return nil
	}
	return k
}

// refuseUnknown answers a call of a method that nobody serves, unless even more
// is wrong with the request.
func (c *conn) refuseUnknown(st *transport.Stream, h *frame.Headers) {
	k := c.newCall(st, h, true, false)
	if k == nil {
		return
	}
	st.Accept(k.Receiver())
	status := c.server.router.unknown(k.Method())
	k.CancelWithStatus(status.Code, status.Message)
}

// settingsFor returns those with the codec for a content-subtype. For generic
// calls there always is one: bytes, by any name. Else the default does, and the
// call is refused for not having its name.
func (s *Server) settingsFor(subtype string, isGeneric bool) *call.Settings {
	switch set := s.settings[subtype]; {
	case isGeneric && subtype == "":
		return s.bytes
	case isGeneric:
		return s.cfg.settings(codec.BytesNamed(subtype))
	case set == nil:
		return s.settings[""]
	default:
		return set
	}
}

// contentSubtype returns what follows "application/grpc+", without parameters.
// Whether the rest is right is for package call to say.
func contentSubtype(contentType string) string {
	mediaType, _, _ := strings.Cut(contentType, ";")
	_, subtype, _ := strings.Cut(mediaType, "+")
	return strings.TrimRight(subtype, " \t")
}

// reserve counts a call for a handler, unless there are too many: a call that was reset still has
// its handler, so streams are the wrong thing to count (CVE-2023-44487). To be refused is no fault:
// an honest client gets there, too, if handlers do not look at deadlines.
func (c *conn) reserve() bool {
	s := c.server
	n := c.handling.Add(1)
	total := s.handling.Add(1)
	if (c.limit < 0 || n <= c.limit) && (s.cfg.maxHandlers <= 0 || total <= int64(s.cfg.maxHandlers)) {
		return true
	}
	c.unreserve()
	return false
}

// unreserve counts a handler as returned.
func (c *conn) unreserve() {
	c.server.handling.Add(-1)
	if c.handling.Add(-1) == 0 {
		c.settle()
	}
}

// settle looks whether the last call of a closed connection is done: it may be
// what the server's end waits for.
func (c *conn) settle() {
	if c.closed.Load() && c.unfinished() == 0 {
		c.server.forget(c)
	}
}

// unfinished returns for how many calls the application may run. A call on its
// way from one count to the other is in both, so reading the first one first
// misses none.
func (c *conn) unfinished() int64 {
	n := c.handling.Load()
	return n + c.leaving.Load()
}

// OnClosed implements transport.Handler: the connection has ended, and all its
// calls with it.
func (c *conn) OnClosed(err error) {
	s := c.server
	c.closed.Store(true)
	s.mu.Lock()
	s.open--
	if c.unfinished() == 0 {
		delete(s.conns, c)
	}
	s.endLocked()
	s.mu.Unlock()
	s.notify()
	if c.ended != nil {
		c.ended <- err
	}
}

// forget drops a connection that has ended and for which nothing runs any more.
// Both who closed it and who returned last may find that out.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.endLocked()
	s.mu.Unlock()
	s.notify()
}
