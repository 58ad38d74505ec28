package transport

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cqrpc/cqrpc/frame"
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

// restart makes a new goroutine, with a small stack, the reader: that is how a reader rests, see
// restState.
func (c *Conn) restart() {
	c.forget()
	go c.readOn(nil)
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

// boundBlock keeps a peer from leaving a header block unfinished: no stream has
// received it yet, so no call's deadline covers it.
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
	for fruitless := 0; fruitless < maxFruitlessReads; fruitless++ {
		n, err := c.nc.Read(buf[:])
		switch {
		case err != nil && !c.isExcused(err):
			return
		case n > 0:
			fruitless = 0
		}
	}
}

// maxFruitlessReads is how often in a row a connection at its end may return nothing: an io.Reader
// should not (io.Reader), and one that always does must not be read for ever.
const maxFruitlessReads = 100
