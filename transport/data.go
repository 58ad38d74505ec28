package transport

import (
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// onData hands a DATA payload to its stream.
func (c *Conn) onData(f *frame.Frame) error {
	if err := c.takeConn(int(f.Length)); err != nil {
		f.Data.Free()
		return err
	}
	c.countBytes(f.StreamID, int64(f.Length))
	at := c.lookup(f.StreamID)
	if at.s == nil {
		f.Data.Free()
		return c.onStrayData(at, f)
	}
	if err := checkData(at, f); err != nil {
		f.Data.Free()
		return err
	}
	s := at.s
	if padding := int(f.Length) - f.Data.Len(); padding > 0 {
		s.Consume(padding)
	}
	if f.Data == nil && !f.End {
		return c.glitch("empty DATA frames")
	}
	c.asked++
	s.recv.OnData(f.Data, f.End, &c.lane)
	if f.End {
		c.onEndStream(s)
	}
	return nil
}

// place finds memory to read a DATA payload into, so that it need not be copied again.
func (c *Conn) place(id uint32, n int) *mem.Buffer {
	at := c.lookup(id)
	if at.s == nil || !at.canRecv {
		return nil
	}
	if p, ok := at.s.recv.(placer); ok {
		return p.Place(n)
	}
	return nil
}

// placer is a Receiver that knows where its next DATA payload, of n bytes, should go:
// Place returns a buffer of that length, or nil for anywhere. That buffer comes back
// with the next OnData, or never.
type placer interface {
	Place(n int) *mem.Buffer
}

func checkData(at found, f *frame.Frame) error {
	s := at.s
	switch {
	case !at.canRecv:
		return &frame.StreamError{StreamID: s.id, Code: frame.StreamClosed, Reason: "DATA after END_STREAM"}
	case !s.gotHeaders():
		return &frame.StreamError{StreamID: s.id, Code: frame.ProtocolError, Reason: "DATA before HEADERS"}
	}
	if err := s.takeStream(int64(f.Length)); err != nil {
		return err
	}
	if s.contentLength < 0 {
		return nil
	}
	s.contentLength -= int64(f.Data.Len())
	if s.contentLength < 0 || f.End && s.contentLength != 0 {
		return s.lengthError()
	}
	return nil
}

func (s *Stream) lengthError() error {
	return &frame.StreamError{
		StreamID: s.id, Code: frame.ProtocolError, Reason: "DATA does not add up to content-length",
	}
}

// onStrayData answers DATA on a stream that is not open (RFC 9113 section 5.1).
// While a reset of ours may be on its way, a window full of small frames is no
// fault; it costs us less than on an open stream.
func (c *Conn) onStrayData(at found, f *frame.Frame) error {
	switch {
	case at.isIdle:
		return idleError(f)
	case !at.how.isOurs() && at.how != unknownEnd:
	case f.Data == nil:
		return c.glitch("frames on closed streams")
	default:
		return nil
	}
	return &frame.StreamError{StreamID: f.StreamID, Code: frame.StreamClosed, Reason: "DATA on a closed stream"}
}
