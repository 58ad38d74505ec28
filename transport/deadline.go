package transport

import (
	"errors"
	"os"
	"time"
)

// The read deadline of a socket has several uses, of which each overwrites the
// others. So a deadline that has passed is asked what it was for:
//
//   - shut and writeFailed bound the end of the connection,
//   - readBy bounds the handshake and header blocks,
//   - armRest is when the reader rests,
//   - nudge is for who waits in the socket and is wanted elsewhere; it may come late, and
//     be taken for that of a rest, which is then early.

// readBy lets reads wait until then, or for ever if it is zero, unless shut or
// writeFailed has just set its own deadline.
func (c *Conn) readBy(then time.Time) {
	c.readUntil = then
	c.rest.armed.Store(false)
	c.setReadDeadline(then)
}

// armRest sets the deadline of a rest, unless shut or writeFailed have set theirs,
// or do so now.
func (c *Conn) armRest() {
	c.rest.armed.Store(true)
	c.setReadDeadline(time.Now().Add(c.cfg.restAfter))
	if c.stopped.Load() || c.broken.Load() {
		c.rest.armed.Store(false)
	}
}

// nudge ends the wait for something to read. Any goroutine may call it.
func (c *Conn) nudge() { c.setReadDeadline(time.Unix(1, 0)) }

// setReadDeadline sets a deadline that does not outlast that of the connection's end.
func (c *Conn) setReadDeadline(t time.Time) {
	_ = c.nc.SetReadDeadline(t)
	if c.stopped.Load() || c.broken.Load() {
		_ = c.nc.SetReadDeadline(time.Now().Add(c.cfg.LingerTimeout))
	}
}

// isExcused reports whether err is a deadline that is no reason to stop reading, and lifts
// it. That of a rest makes the rest due.
func (c *Conn) isExcused(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || c.stopped.Load() || c.broken.Load() {
		return false
	}
	if !c.readUntil.IsZero() && !time.Now().Before(c.readUntil) {
		return false
	}
	if c.rest.armed.Load() && !c.isRecalled() {
		c.rest.isDue = true
	}
	c.readBy(c.readUntil)
	return true
}
