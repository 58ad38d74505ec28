package server

import (
	"io"
	"strings"
	"sync/atomic"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/quota"
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

	unread quota.Account // of server.unread

	// reader only
	fresh *pieces        // of the request that is on its way to OnStream
	named *call.Settings // of the latest generic call with a content-subtype; nil: there was none

	// guarded by server.mu
	securing  io.Closer       // the socket, until HTTP/2 begins
	transport *transport.Conn // nil before
	cut       bool            // by CancelAllCalls

	// atomic
	handling atomic.Int64 // calls of handlers that have not returned
	leaving  atomic.Int64 // calls that were released but are not done, see Accepted
	closed   atomic.Bool
}

var (
	_ transport.Handler   = (*conn)(nil)
	_ transport.Allocator = (*conn)(nil)
)

// pieces are a call and its stream, in one allocation.
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

// OnStream passes a request on by its method. If nobody accepts the stream, the
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
	cfg := call.Config{
		OneMessage: hasOneMessage, Settings: c.settingsFor(contentSubtype(h.Value("content-type")), isGeneric),
		Account: &c.unread,
	}
	k, err := call.NewServer(&c.fresh.call, cfg, st, h, &c.peer)
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

// settingsFor returns the settings with the codec for a content-subtype. For generic
// calls there always is one: bytes, by any name. A typed call of an unknown subtype gets
// the default settings, and is then refused because its subtype is not theirs.
func (c *conn) settingsFor(subtype string, isGeneric bool) *call.Settings {
	s := c.server
	switch set := s.settings[subtype]; {
	case isGeneric && subtype == "":
		return s.bytes
	case isGeneric:
		return c.bytesNamed(subtype)
	case set == nil:
		return s.settings[""]
	default:
		return set
	}
}

// bytesNamed returns the settings of generic calls with a content-subtype. A client has one, as a
// rule; who has many does without what is kept for the next call, and does not fill what others share.
func (c *conn) bytesNamed(subtype string) *call.Settings {
	if c.named == nil || c.named.Codec.Name() != subtype {
		c.named = c.server.bytes.WithCodec(codec.BytesNamed(subtype))
	}
	return c.named
}

// contentSubtype returns what follows "application/grpc+", without parameters.
// Package call checks the rest.
func contentSubtype(contentType string) string {
	mediaType, _, _ := strings.Cut(contentType, ";")
	_, subtype, _ := strings.Cut(mediaType, "+")
	return strings.TrimRight(subtype, " \t")
}

// reserve counts a call for a handler, unless there are too many. Streams are the wrong thing to
// count, because a call that was reset still has its handler (CVE-2023-44487). A refusal is not the
// client's fault: an honest one gets there, too, if handlers ignore deadlines.
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
		c.forgetIfDone()
	}
}

// forgetIfDone drops a closed connection whose last call is done: the end of the
// server may be waiting for it.
func (c *conn) forgetIfDone() {
	if c.closed.Load() && c.unfinished() == 0 {
		c.server.forget(c)
	}
}

// unfinished returns for how many calls the application may still run. Release counts
// a call as leaving before it uncounts it as handled, so reading handling first misses
// none.
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

// forget drops a connection that has ended and for which nothing runs any more. It may
// be called twice: by the end of the connection and by the last handler.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.endLocked()
	s.mu.Unlock()
	s.notify()
}
