package transport

import (
	"errors"
	"os"
	"sync/atomic"
	"time"
)

// readDeadline is what the read deadline of the socket is for. It has several uses, and each
// overwrites the others, so isExcused finds out which one has passed:
//
//   - endBy bounds what is read of a connection at its end,
//   - readBy bounds the handshake and header blocks,
//   - armRest says when the reader rests,
//   - nudge wakes a goroutine that waits on the socket and is wanted elsewhere. A nudge that comes
//     late may be taken for the deadline of a rest, which then begins early.
type readDeadline struct {
	end   atomic.Int64 // an instant; zero: not at the end
	until instant      // reader only: of readBy; zero: none
}

// isEnding reports whether shut or writeFailed have begun the end of the connection.
func (c *Conn) isEnding() bool { return c.stopped.Load() || c.broken.Load() }

// endBy lets reading go on for LingerTimeout from now at most. Call it when isEnding is true.
func (c *Conn) endBy() {
	c.deadline.end.Store(int64(now() + instant(c.cfg.LingerTimeout)))
	c.rest.armed.Store(false)
	_ = c.nc.SetReadDeadline(instant(c.deadline.end.Load()).time())
	if l := c.loan.Load(); l != nil {
		l.interrupt()
	}
}

// readBy lets reads wait until then, or for ever if then is zero, unless the connection is
// at its end.
func (c *Conn) readBy(then instant) {
	c.deadline.until = then
	c.rest.armed.Store(false)
	c.setReadDeadline(then)
}

// armRest sets the deadline of a rest, unless the connection is at its end.
func (c *Conn) armRest() {
	c.rest.armed.Store(true)
	c.setReadDeadline(now() + instant(c.cfg.restAfter))
}

// setReadDeadline sets a deadline, or none if t is zero. That of the end stays, if it has been set.
func (c *Conn) setReadDeadline(t instant) {
	if t == 0 {
		_ = c.nc.SetReadDeadline(time.Time{})
	} else {
		_ = c.nc.SetReadDeadline(t.time())
	}
	if end := instant(c.deadline.end.Load()); end != 0 {
		c.rest.armed.Store(false)
		_ = c.nc.SetReadDeadline(end.time())
	}
}

// nudge ends the wait for something to read. Any goroutine may call it.
func (c *Conn) nudge() { _ = c.nc.SetReadDeadline(processBegan) }

// isExcused reports whether err is a deadline that is no reason to stop reading, and lifts
// that deadline. If it was that of a rest, the rest is due.
func (c *Conn) isExcused(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	until := c.deadline.until
	if end := instant(c.deadline.end.Load()); end != 0 {
		until = end
	}
	if until != 0 && now() >= until {
		return false
	}
	if c.rest.armed.Load() && !c.isRecalled() {
		c.rest.isDue = true
	}
	c.readBy(c.deadline.until)
	return true
}
