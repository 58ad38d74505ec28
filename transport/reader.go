package transport

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

const (
	// maxBatch is how many frames are handled before their completions are
	// delivered, when more are already buffered.
	maxBatch = 64

	// enoughAsked is how many frames of DATA end a batch where messages are answered:
	// the answers are written with the batch that brought the messages, and until then
	// the peer has nothing to do.
	enoughAsked = 24
)

// read is the reader: frames in, callbacks out, until the connection ends. It
// blocks only in Read.
func (c *Conn) read() { c.readOn(c.handshake()) }

// readOn is read after the handshake, which may have failed.
func (c *Conn) readOn(err error) {
	for err == nil {
		if c.await() == restDue { // here, where the stack is shallow
			c.restart()
			return
		}
		var end loanEnd
		if err = c.readBatch(); err == nil {
			end = c.lend()
			err = end.err
		}
		c.endBatch()
		if end.isQuiet {
			c.restart()
			return
		}
	}
	if !errors.Is(err, errStopped) {
		c.fail(c.explain(err), &c.lane)
	}
	c.r.Release()
	c.linger()
	c.leave()
}

// restart lets another goroutine, with a small stack, be the reader: this one rests.
func (c *Conn) restart() {
	c.forget()
	go c.readOn(nil)
}

// readBatch handles what a read has brought, one frame at the least, and
// delivers its completions: one lock and at most one wake per queue.
func (c *Conn) readBatch() (err error) {
	for n := 1; err == nil; n++ {
		err = c.readFrame()
		if n == maxBatch || c.isEnough() || !c.r.Buffered() {
			break
		}
	}
	c.lane.Flush()
	return err
}

// isEnough reports whether a batch ends here although more is buffered, so that what it has
// brought is answered first. Not where pollers of a queue answer: they write between their
// events (cq.Source.Tend).
func (c *Conn) isEnough() bool {
	if !c.answered || c.asked < enoughAsked {
		return false
	}
	_, isPolled := c.lane.Foremost().(*cq.Queue) // of the last batch
	return !isPolled
}

// errStopped ends the read loop of a connection that is already closing.
var errStopped = errors.New("closing")

func (c *Conn) readFrame() error {
	f, err := c.r.Next()
	if c.stopped.Load() {
		f.Data.Free()
		return errStopped
	}
	c.beginBatch()
	if err == nil {
		err = c.onFrame(&f)
	}
	if err == nil {
		return nil
	}
	return c.recovered(err)
}

// recovered turns a stream error into a reset and lets the connection go on.
func (c *Conn) recovered(err error) error {
	var se *frame.StreamError
	if !errors.As(err, &se) {
		return err
	}
	return c.onStreamError(se)
}

// beginBatch lets others know that the reader will flush what they send
// meanwhile. Nothing it does until endBatch waits for the peer.
func (c *Conn) beginBatch() {
	if c.batching {
		return
	}
	c.batching = true
	t := now()
	c.touch(t)                                   // first: a request that wakes the keepalive is itself a sign of life
	c.abuse.elders.tick(t, c.streams.lastPeerID) // which nobody else changes
	c.setInBatch()
}

func (c *Conn) setInBatch() {
	c.mu.Lock()
	c.inBatch = true
	c.mu.Unlock()
}

// endBatch writes what a batch has brought about, for which it waits a turn of the
// scheduler.
func (c *Conn) endBatch() {
	c.mu.Lock()
	if c.try != nil && !c.enoughLocked(min(int(c.asked), enoughToWrite)) {
		// Those who were woken run now, and what they send needs no goroutine
		// of its own to be written.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	c.answered = c.enoughLocked(enoughToWrite)
	c.handled(int(c.asked))
	c.batching, c.inBatch, c.asked = false, false, 0
	isDue := c.flusher == flusherDue
	if isDue {
		c.startFlusherLocked()
	}
	c.mu.Unlock()
	if isDue {
		c.flushInline(false)
	}
}

// boundBlock keeps a peer from leaving a header block unfinished, which is
// received by nobody's stream and so under nobody's deadline.
func (c *Conn) boundBlock(isComplete bool) {
	if isComplete {
		c.readBy(0)
		return
	}
	c.readBy(now() + instant(c.cfg.HeaderTimeout))
}

// explain puts a read error in words.
func (c *Conn) explain(err error) error {
	switch {
	case c.broken.Load(): // it came first
		return c.writeError()
	case errors.Is(err, io.EOF) && !c.greeted() && c.side == Client && c.tls == nil:
		return fmt.Errorf("%w before its SETTINGS; it may expect TLS", ErrPeerClosed)
	case errors.Is(err, io.EOF) && !c.greeted():
		return fmt.Errorf("%w before its SETTINGS", ErrPeerClosed)
	case errors.Is(err, io.EOF):
		return ErrPeerClosed
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w inside a frame", ErrPeerClosed)
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.greeted():
		return fmt.Errorf("no HTTP/2 handshake within %v: %w", c.cfg.HandshakeTimeout, err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &frame.ConnError{
			Code: frame.EnhanceYourCalm, Reason: fmt.Sprintf("header block not complete within %v", c.cfg.HeaderTimeout),
		}
	}
	return err
}

// linger reads and drops input after the last GOAWAY, until the peer closes or
// the deadline set by shut, so that closing the socket with input unread does
// not destroy the GOAWAY in the peer's receive queue.
func (c *Conn) linger() {
	var buf [4096]byte
	for {
		if _, err := c.nc.Read(buf[:]); err != nil && !c.isExcused(err) {
			return
		}
	}
}

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

// recvEnd closes the peer's half. A client whose response is complete stops
// sending: nobody reads the rest of the request (RFC 9113 section 8.1).
func (c *Conn) recvEnd(s *Stream) {
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

// onStray accounts a frame that says nothing about a stream that has ended, and
// may cross its end; on one that never was it is an error (RFC 9113 section 5.1).
func (c *Conn) onStray(f *frame.Frame, isIdle bool) error {
	if isIdle {
		return idleError(f)
	}
	return c.glitch("frames on closed streams")
}
