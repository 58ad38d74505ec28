package transport

import (
	"fmt"
	"sync/atomic"

	"github.com/cqrpc/cqrpc/frame"
)

// incomingState is the receiving half of flow control (RFC 9113 section 5.2).
// The reader takes from the windows as DATA comes; the flusher adds when it
// announces credit.
//
// The connection window is returned as bytes are read, so one stream nobody
// reads never blocks the others; a stream's window is returned when the
// application takes the bytes, so it bounds what is buffered.
type incomingState struct {
	connWindow   atomic.Int64 // what the peer may still send on the connection
	streamWindow atomic.Int64 // the window of a new stream

	// reader only
	connTarget int64 // the size at which connWindow is kept
	connDue    int64 // read, not yet announced
}

func (in *incomingState) init(cfg *Config) {
	in.connWindow.Store(defaultWindow) // the flusher adds the rest with the first WINDOW_UPDATE
	in.connTarget = int64(cfg.InitialConnWindow)
	in.streamWindow.Store(int64(cfg.InitialWindow))
}

// streamThreshold is the credit that is worth a WINDOW_UPDATE: a quarter of the window.
func (in *incomingState) streamThreshold() int64 { return max(in.streamWindow.Load()/4, 1) }

// takeConn accounts a DATA frame of n octets, padding included, against the
// connection window, and returns credit for it at once.
func (c *Conn) takeConn(n int64) error {
	if left := c.in.connWindow.Add(-n); left < 0 {
		return &frame.ConnError{
			Code:   frame.FlowControlError,
			Reason: fmt.Sprintf("DATA of %d octets exceeds the connection window by %d", n, -left),
		}
	}
	c.in.connDue += n
	if c.in.connDue < c.in.connTarget/4 {
		return nil
	}
	due := c.in.connDue
	c.in.connDue = 0
	c.mu.Lock()
	c.control.connCredit += due
	c.kickLocked()
	c.mu.Unlock()
	return nil
}

// takeStream accounts the same frame against its stream's window.
func (s *Stream) takeStream(n int64) *frame.StreamError {
	if left := s.recvWindow.Add(-n); left < 0 {
		return &frame.StreamError{
			StreamID: s.id,
			Code:     frame.FlowControlError,
			Reason:   fmt.Sprintf("DATA of %d octets exceeds the stream window by %d", n, -left),
		}
	}
	return nil
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
	if s.sendWindow+int64(f.Increment) > maxWindowSize {
		return &frame.StreamError{
			StreamID: f.StreamID, Code: frame.FlowControlError,
			Reason: fmt.Sprintf("WINDOW_UPDATE of %d takes the stream window past 2^31-1", f.Increment),
		}
	}
	s.sendWindow += int64(f.Increment)
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
	if c.out.stalled.head != nil && c.out.window > 0 {
		c.out.ready.splice(&c.out.stalled)
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
// SETTINGS_INITIAL_WINDOW_SIZE, and the connection's. Reader only.
func (c *Conn) growWindows(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if delta := n - c.in.streamWindow.Load(); delta > 0 {
		c.in.streamWindow.Store(n)
		for _, s := range c.streams.table {
			s.recvWindow.Add(delta)
		}
		c.control.setInitialWindow(uint32(n))
	}
	if delta := min(2*n, maxWindowSize) - c.in.connTarget; delta > 0 {
		c.in.connTarget += delta
		c.control.connCredit += delta
	}
	c.kickLocked()
}
