package transport

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
)

// incomingState is the receiving half of flow control (RFC 9113 section 5.2).
// The reader takes from the windows as DATA comes; the flusher adds when it
// announces credit.
//
// The connection window is returned as bytes are read, so a stream that nobody
// reads never blocks the others; a stream's window is returned when the
// application takes the bytes, so it bounds what is buffered. An application that
// waits for a message will take all of it, so that much is returned in advance.
type incomingState struct {
	conn         connWindow
	streamWindow atomic.Int64 // the window of a new stream

	// reader only
	hasLargeFrames bool  // see Config.MaxFrameSize
	isParting      bool  // client: the peer has sent GOAWAY
	came           int64 // bytes of DATA, see bdpState
}

func (in *incomingState) init(cfg *Config, opened uint32) {
	in.conn.init(cfg, opened)
	in.streamWindow.Store(int64(cfg.InitialWindow))
}

// streamThreshold is the credit that is worth a WINDOW_UPDATE: a quarter of the window.
func (in *incomingState) streamThreshold() int64 { return max(in.streamWindow.Load()/4, 1) }

// takeStream counts the same frame against its stream's window. That leaves room below the limit,
// so credit that was held back because of the limit may be announced now.
func (s *Stream) takeStream(n int64) *frame.StreamError {
	left := int64(s.recvWindow.Add(-int32(n)))
	if left < 0 {
		return &frame.StreamError{
			StreamID: s.id,
			Code:     frame.FlowControlError,
			Reason:   fmt.Sprintf("DATA of %d octets exceeds the stream window by %d", n, -left),
		}
	}
	if limit := s.conn.windowLimit(); left <= limit-limit/4 && s.credit.Load() >= s.conn.in.streamThreshold() {
		s.announce()
	}
	return nil
}

// windowLimit is how far credit opens the window of a stream.
func (c *Conn) windowLimit() int64 { return max(int64(c.cfg.MaxWindow), c.in.streamWindow.Load()) }

// grantLocked takes the credit of s that is to be announced now: what would go
// beyond the limit waits until a part of the window is used.
func (c *Conn) grantLocked(s *Stream) int64 {
	n := min(s.credit.Load(), c.windowLimit()-int64(s.recvWindow.Load()))
	if n <= 0 || !s.state.canRecv() {
		return 0
	}
	s.credit.Add(-n)
	c.widenConnLocked(int64(s.recvWindow.Add(int32(n))))
	return n
}

// onWindowUpdate adds to a send window (RFC 9113 section 6.9).
func (c *Conn) onWindowUpdate(f *frame.Frame) error {
	if f.StreamID == 0 {
		return c.widenConn(int64(f.Increment))
	}
	c.mu.Lock()
	s := c.streams.table[f.StreamID]
	if s == nil {
		isIdle := c.isIdleLocked(f.StreamID)
		c.mu.Unlock()
		return c.onStray(f, isIdle)
	}
	defer c.mu.Unlock()
	if int64(s.sendWindow)+int64(f.Increment) > maxWindowSize {
		return &frame.StreamError{
			StreamID: f.StreamID, Code: frame.FlowControlError,
			Reason: fmt.Sprintf("WINDOW_UPDATE of %d takes the stream window past 2^31-1", f.Increment),
		}
	}
	s.sendWindow += int32(f.Increment)
	c.scheduleLocked(s)
	return nil
}

func (c *Conn) widenConn(n int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.window+n > maxWindowSize {
		return &frame.ConnError{
			Code:   frame.FlowControlError,
			Reason: fmt.Sprintf("WINDOW_UPDATE of %d takes the connection window past 2^31-1", n),
		}
	}
	c.out.window += n
	if c.out.ready.hasStalled() {
		c.kickLocked()
	}
	return nil
}

// scheduleLocked puts s in the queue in which it waits for the flusher.
func (c *Conn) scheduleLocked(s *Stream) {
	if s.queue != nil || !s.sendable() {
		return
	}
	if s.id != 0 {
		c.out.ready.push(s)
		c.kickLocked()
		return
	}
	c.streams.opening.push(s)
	c.streams.waiting++
	if c.canOpenLocked() {
		c.kickLocked()
	}
}

// growWindows raises the receive windows to n bytes: every stream's, by
// SETTINGS_INITIAL_WINDOW_SIZE, and the connection's. Frames may be larger from
// then on, too. Where the application does not keep up, all streams together may hold no more than
// one may; it reports false if they do already. Reader only.
func (c *Conn) growWindows(n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	window := c.in.streamWindow.Load()
	if n > window && c.untakenLocked() > 2*window {
		if n = min(n, int64(c.cfg.MaxWindow/len(c.streams.table))); n < window*5/4 {
			return false
		}
	}
	if delta := n - window; delta > 0 {
		c.in.streamWindow.Store(n)
		for _, s := range c.streams.table {
			s.recvWindow.Add(int32(delta))
		}
		c.control.change(http2.SettingInitialWindowSize, uint32(n))
	}
	if size := c.cfg.grownFrame; size > 0 && !c.in.hasLargeFrames {
		c.in.hasLargeFrames = true
		c.r.SetMaxFrameSize(uint32(size)) // the peer may make use of it before it acknowledges
		c.control.change(http2.SettingMaxFrameSize, uint32(size))
	}
	c.widenConnLocked(2 * n)
	c.kickLocked()
	return true
}

// untakenLocked is how many bytes have been read that no application has taken yet.
func (c *Conn) untakenLocked() (sum int64) {
	window := c.in.streamWindow.Load()
	for _, s := range c.streams.table {
		sum += max(window-int64(s.recvWindow.Load())-s.credit.Load(), 0)
	}
	return sum
}
