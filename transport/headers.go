package transport

import (
	"fmt"
	"strconv"

	"github.com/cqrpc/cqrpc/frame"
)

// onHeaders begins a request, or brings headers or trailers of an open stream.
func (c *Conn) onHeaders(f *frame.Frame) error {
	at := c.lookup(f.StreamID)
	switch {
	case at.s != nil:
		return c.onMoreHeaders(at, f.Headers)
	case at.isIdle && c.side == Server && !c.ours(f.StreamID):
		return c.onRequest(f.Headers)
	case at.isIdle:
		return idleError(f)
	case at.how.isOurs(), at.how == unknownEnd && c.ours(f.StreamID):
		return c.glitch("frames on closed streams")
	case at.how == unknownEnd:
		return &frame.ConnError{
			Code: frame.ProtocolError, Reason: fmt.Sprintf("HEADERS on stream %d, already used", f.StreamID),
		}
	case c.ours(f.StreamID):
		// RFC 9113 section 5.1 allows a connection error here. But a C-core server that finds a deadline passed
		// may send the end of a call twice, and that is no reason to lose all other calls.
		return &frame.StreamError{StreamID: f.StreamID, Code: frame.StreamClosed, Reason: "HEADERS on a closed stream"}
	}
	return &frame.ConnError{
		Code: frame.StreamClosed, Reason: fmt.Sprintf("HEADERS on closed stream %d", f.StreamID),
	}
}

// onRequest opens a stream on the server.
func (c *Conn) onRequest(h *frame.Headers) error {
	s, refusal := c.admit(h)
	switch {
	case refusal != nil:
		return refusal
	case s == nil:
		return c.glitch("requests after GOAWAY")
	}
	if h.Err == nil {
		h.Err = frame.CheckRequest(h)
	}
	if h.Err == nil {
		h.Err = s.readContentLength(h)
	}
	if h.Err != nil {
		return h.Err
	}
	c.handler.OnStream(s, h, &c.lane)
	if s.recv == nil {
		s.Reset(frame.RefusedStream)
		return c.declined()
	}
	c.tellIfLost(s)
	return nil
}

// tellIfLost closes a stream whose connection ended while OnStream ran, before
// there was a receiver to tell.
func (c *Conn) tellIfLost(s *Stream) {
	if !c.stopped.Load() {
		return
	}
	c.mu.Lock()
	g := goneStream{recv: s.recv, sent: s.sent}
	lost, cause := s.lost, c.causeLocked()
	c.mu.Unlock()
	if lost {
		g.deliver(cause, &c.lane)
	}
}

// admit enters a request's stream into the table. Both results nil: the
// request came after our GOAWAY and is dropped silently (RFC 9113 section 6.8).
func (c *Conn) admit(h *frame.Headers) (*Stream, error) {
	s := c.newStream()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams.lastPeerID = h.StreamID
	if c.state >= closing || c.goaway.refuses(h.StreamID) {
		c.streams.recent.add(h.StreamID, violated)
		return nil, nil
	}
	if err := c.unsentBudgetLocked(); err != nil {
		return nil, err
	}
	s.conn, s.id, s.contentLength = c, h.StreamID, lengthUnknown
	c.openLocked(s)
	s.state.must(recvHeaders)
	if h.End {
		s.state.must(recvEnd)
	}
	if limit := c.cfg.MaxConcurrentStreams; limit >= 0 && len(c.streams.table) > limit {
		return nil, &frame.StreamError{
			StreamID: h.StreamID, Code: frame.RefusedStream,
			Reason: "more streams than MAX_CONCURRENT_STREAMS " + strconv.Itoa(limit),
		}
	}
	c.goaway.accepted = h.StreamID
	return s, nil
}

// newStream is memory for a stream that the peer opens. Reader only, without locks.
func (c *Conn) newStream() *Stream {
	if c.alloc != nil {
		return c.alloc.NewStream()
	}
	return new(Stream)
}

// readContentLength notes how much DATA the request announces, in bytes (RFC 9113 section 8.1.1).
func (s *Stream) readContentLength(h *frame.Headers) error {
	v := h.Value("content-length")
	if v == "" {
		return nil
	}
	n, err := strconv.ParseUint(v, 10, 62)
	if err != nil || h.End && n != 0 {
		return &frame.StreamError{
			StreamID: s.id, Code: frame.ProtocolError, Reason: fmt.Sprintf("content-length %.20q does not fit the request", v),
		}
	}
	s.contentLength = int64(n)
	return nil
}

// onMoreHeaders handles a header block on an open stream: a response, informational or
// final, or trailers.
func (c *Conn) onMoreHeaders(at found, h *frame.Headers) error {
	s := at.s
	if !at.canRecv {
		return &frame.StreamError{StreamID: s.id, Code: frame.StreamClosed, Reason: "HEADERS after END_STREAM"}
	}
	if h.Err == nil {
		h.Err = s.checkHeaders(h)
	}
	if h.Err != nil {
		return h.Err
	}
	if h.End && s.contentLength > 0 {
		return s.lengthError()
	}
	s.recv.OnHeaders(h, &c.lane)
	switch {
	case h.End:
		c.onEndStream(s)
	case !s.gotHeaders():
		return c.glitch("informational responses")
	}
	return nil
}

// noteResponse notes that the peer answers requests.
func (c *Conn) noteResponse() {
	if !c.responded.Load() { // else a line of memory would change hands for every response
		c.responded.Store(true)
	}
}

func (s *Stream) checkHeaders(h *frame.Headers) error {
	switch {
	case !s.gotHeaders():
		if err := frame.CheckResponse(h); err != nil {
			return err
		}
		if status := h.Value(":status"); len(status) == 3 && status[0] == '1' && !h.End {
			return nil
		}
		s.contentLength = lengthUnknown
		s.conn.noteResponse()
		return nil
	case !h.End:
		return &frame.StreamError{
			StreamID: s.id, Code: frame.ProtocolError, Reason: "second HEADERS without END_STREAM",
		}
	}
	return frame.CheckTrailers(h)
}
