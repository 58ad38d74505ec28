package transport

import (
	"errors"
	"os"
	"sync/atomic"
	"time"
)

// restAfter is how long a reader has nothing to read before it rests; it takes up
// to twice as long.
const restAfter = time.Second

// restState is when the reader rests: it goes on waiting on a new goroutine. That
// of before has a stack that the calls it has served have made large, and stacks
// shrink, if at all, to twice what is used several times over.
//
// It finds out by a read deadline, for that costs no memory and, as it is not set
// anew before it has passed, next to no time.
type restState struct {
	armed atomic.Bool // the read deadline is that of a rest

	// reader only
	able   bool // its socket can be read with next to no stack
	active bool // something came since the deadline was set
	rests  bool // nothing came since the reader rests
}

// await waits for the peer. It reports false when the reader ought to rest.
func (c *Conn) await() bool {
	r := &c.rest
	for {
		if r.able && !r.rests && !r.armed.Load() {
			c.armRest()
		}
		if c.r.Await() {
			r.active, r.rests = true, false
			return true
		}
		if !r.active {
			r.rests = true
			return false
		}
		r.active = false
	}
}

// forget gives up what a connection knows by heart and can learn again. It is the
// flusher for that, unless there is one.
func (c *Conn) forget() {
	c.r.Forget()
	c.poll = nil
	c.mu.Lock()
	isFree := c.flusher == flusherResting && c.state < closing
	if isFree {
		c.startFlusherLocked()
	}
	c.mu.Unlock()
	if isFree {
		c.w.Forget()
		c.flushInline(false)
	}
}

// armRest sets the deadline of a rest, unless shut or writeFailed have set theirs,
// or do so now.
func (c *Conn) armRest() {
	c.rest.armed.Store(true)
	_ = c.nc.SetReadDeadline(time.Now().Add(c.cfg.restAfter))
	if c.stopped.Load() || c.broken.Load() {
		c.readBy(time.Time{})
	}
}

// isRest reports whether err is the deadline of a rest, which it lifts, and no
// other.
func (c *Conn) isRest(err error) bool {
	if !c.rest.armed.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.readBy(time.Time{})
	return true
}
