package transport

import (
	"fmt"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
)

// onFrame dispatches one frame.
func (c *Conn) onFrame(f *frame.Frame) error {
	switch f.Type {
	case http2.FrameData:
		return c.onData(f)
	case http2.FrameHeaders:
		return c.onHeaders(f)
	case http2.FrameRSTStream:
		return c.onReset(f)
	case http2.FrameSettings:
		return c.onSettings(f)
	case http2.FramePing:
		return c.onPing(f)
	case http2.FrameGoAway:
		return c.onGoAway(f)
	case http2.FrameWindowUpdate:
		return c.onWindowUpdate(f)
	}
	// PRIORITY is deprecated (RFC 9113 section 5.3) and unknown types are
	// ignored (section 5.5); neither is free.
	return c.glitch("frames without effect")
}

// idleError is the answer to a frame on a stream that was never opened.
func idleError(f *frame.Frame) error {
	return &frame.ConnError{
		Code: frame.ProtocolError, Reason: fmt.Sprintf("%v on idle stream %d", f.Type, f.StreamID),
	}
}

// onEndStream closes the peer's half. A client whose response is complete stops
// sending: nobody reads the rest of the request (RFC 9113 section 8.1).
func (c *Conn) onEndStream(s *Stream) {
	c.mu.Lock()
	if s.state == ended { // reset by its owner inside the callback
		c.mu.Unlock()
		return
	}
	s.state.must(recvEnd)
	switch {
	case s.state == ended:
		c.endStreamLocked(s, endedBoth)
	case c.side == Client:
		c.control.addReset(s.id, frame.NoError)
		c.endStreamLocked(s, endedBoth)
		c.kickLocked()
	default:
		c.mu.Unlock()
		return
	}
	sent := s.sent
	c.mu.Unlock()
	s.recv.OnClosed(nil, sent, &c.lane)
}

// onStray accounts for a frame on a stream that has ended, whose end it may have crossed. On
// a stream that never was the frame is an error (RFC 9113 section 5.1).
func (c *Conn) onStray(f *frame.Frame, isIdle bool) error {
	if isIdle {
		return idleError(f)
	}
	return c.glitch("frames on closed streams")
}
