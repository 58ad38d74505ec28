package transport

import (
	"fmt"
	"sync/atomic"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// Stream is one HTTP/2 stream. Its methods are safe for concurrent use, never
// block and never call back. A Stream that ended ignores them.
type Stream struct {
	// immutable
	conn *Conn

	// guarded by conn.mu: the queue it waits in, nil if none, and its neighbours
	queue      *fifo
	prev, next *Stream

	// guarded by conn.mu; recv is set by the reader on a server, once on a client
	recv       Receiver
	id         uint32 // 0 until opened
	state      streamState
	dead       bool // closed before it was opened
	crediting  bool // listed in control.credits
	lost       bool // the connection ended before Accept
	sent       frame.Sent
	out        *pending // nil: nothing
	sendWindow int32    // below zero if SETTINGS have taken some back

	// atomic
	recvWindow atomic.Int32 // what the peer may still send; reader takes, flusher adds
	credit     atomic.Int64 // taken by the application, not yet announced

	// reader only
	contentLength int64 // bytes of DATA still announced by content-length, or one of these
}

const (
	lengthUnknown = -1
	headersDue    = -2 // no final (not 1xx) header block was received
)

func (s *Stream) gotHeaders() bool { return s.contentLength != headersDue }

// ID is the stream identifier, 0 while a client stream has not been opened.
func (s *Stream) ID() uint32 {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.id
}

// MaxHeaderList is the largest header list that the peer accepts, in octets as
// RFC 9113 section 6.5.2 counts them; 2^32-1 if it has not said. Send does not
// hold lists to it.
func (s *Stream) MaxHeaderList() uint32 { return s.conn.peerHeaderList.Load() }

// Obstacle says why a client stream with something to send has not been opened: the
// server allows no more. Nil: it has been, or is about to be.
func (s *Stream) Obstacle() error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.queue != &c.streams.opening || uint32(len(c.streams.table)) < c.peer.maxConcurrent {
		return nil
	}
	return c.blame(fmt.Errorf("all streams that the server allows are in use: %d", c.peer.maxConcurrent))
}

// Source is the connection, if a goroutine that waits for something of it may read it
// now; else nil.
func (s *Stream) Source() cq.Source {
	if l := s.conn.loan.Load(); l != nil && loanState(l.state.Load()) == lent {
		return l
	}
	return nil
}

// Accept binds a request's stream to its receiver. Server side, inside
// Handler.OnStream, before anything is sent.
func (s *Stream) Accept(r Receiver) {
	s.conn.mu.Lock()
	s.recv = r
	s.conn.mu.Unlock()
}

// Replace gives an accepted stream to another receiver. Server side, on the
// reader's goroutine only. It reports whether the old receiver will be told nothing
// more: nothing was sent yet, and the stream has not ended.
func (s *Stream) Replace(r Receiver) (isFree bool) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.recv = r
	return s.state != ended && s.sent == (frame.Sent{}) && s.conn.state < closing
}

// Send queues headers, a message, an end. It takes ownership of the lists and
// the buffer, even where it ignores them: after an end was sent, and on a stream that
// is over. Receiver.OnSent reports what was accepted. Messages go out in the order of
// Sends; headers or trailers a second time are a bug of the caller and panic.
func (s *Stream) Send(o frame.Outgoing) {
	c := s.conn
	c.mu.Lock()
	if c.state >= draining && s.id == 0 && s.queue == nil && !s.dead {
		s.orphanLocked()
	}
	if s.dead || s.id != 0 && !s.state.canSend() {
		c.mu.Unlock()
		free(o)
		return
	}
	if s.out == nil {
		s.out = c.out.spares.take()
	}
	s.out.add(o)
	c.scheduleLocked(s)
	c.mu.Unlock()
}

// sendable reports whether the flusher could make progress, windows aside.
func (s *Stream) sendable() bool {
	switch {
	case s.out == nil:
		return false
	case s.out.headers != nil:
		return true
	case !s.sent.Headers:
		return s.out.trailersOnly()
	}
	return s.out.msg != nil || s.out.end
}

// Reset ends the stream from this side: what is queued is dropped, RST_STREAM
// is sent if the stream is open, and no OnClosed follows. Idempotent.
func (s *Stream) Reset(code frame.ErrCode) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.state == ended || s.dead:
	case s.id == 0:
		s.dropLocked()
		s.dead = true
		if s.queue != nil {
			s.unqueue()
			c.streams.waiting--
		}
	default:
		c.control.addReset(s.id, code)
		c.endStreamLocked(s, resetByUs)
		c.kickLocked()
	}
}

// Excuse says that the peer had a reason to reset the stream, such as a deadline: the reset costs
// nothing of Budgets.PeerResets. It is for the receiver, within OnClosed.
func (s *Stream) Excuse() { s.conn.excused = true }

// Consume returns n bytes of flow-control credit: the application took them, or
// will as soon as they arrive. Credit that would open the window beyond
// Config.MaxWindow is announced later, as the bytes before it arrive.
func (s *Stream) Consume(n int) {
	if n > 0 && s.credit.Add(int64(n)) >= s.conn.in.streamThreshold() {
		s.announce()
	}
}

// announce makes the flusher tell the peer of the stream's credit.
func (s *Stream) announce() {
	c := s.conn
	c.mu.Lock()
	if s.state.canRecv() && c.state < closing {
		c.control.addCredit(s)
		c.kickLocked()
	}
	c.mu.Unlock()
}

// orphanLocked closes a stream whose connection drained or ended before its first
// Send: nobody else knows the stream, so nobody else would tell its receiver.
func (s *Stream) orphanLocked() {
	s.dead = true
	s.dropLocked()
	gone := []goneStream{{recv: s.recv, unsent: true}}
	s.conn.laterLocked(func() { deliverAll(gone, s.conn.refusal()) }) // Send must not call back
}

// String is one line for humans.
func (s *Stream) String() string {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return fmt.Sprintf("stream{%d %v sendWindow=%d recvWindow=%d sent=%+v}",
		s.id, s.state, s.sendWindow, s.recvWindow.Load(), s.sent)
}
