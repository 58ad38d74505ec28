package transport

import (
	"sync/atomic"
	"time"
)

// restAfter is how long a reader has nothing to read before it rests; it takes up
// to twice as long.
const restAfter = time.Second

// restState says when the reader rests: it then goes on waiting on a new goroutine. The stack of the
// old one has grown with the calls it has served, and the runtime shrinks it late, in part, or not at
// all.
//
// A read deadline tells when to rest, because that costs no memory. It is not moved by each read but
// set again when it has passed, so it costs next to no time.
type restState struct {
	armed atomic.Bool // the read deadline is that of a rest

	// reader only
	able   bool // its socket can be read with next to no stack
	isDue  bool // the deadline has passed
	active bool // something came since the deadline was set
	rests  bool // nothing came since the reader rests
}

// waitEnd is why a wait for the peer has ended.
type waitEnd uint8

const (
	came     waitEnd = iota // something, or the end
	restDue                 // the reader ought to rest
	recalled                // the goroutine that waits is a host's, and wanted elsewhere
)

// await waits for the peer.
func (c *Conn) await() waitEnd {
	r := &c.rest
	for {
		if r.able && !r.rests && !r.armed.Load() {
			c.armRest()
		}
		switch {
		case c.r.Await():
			r.active, r.rests = true, false
			return came
		case c.isRecalled():
			return recalled
		case !r.isDue:
			continue
		case !r.active:
			r.isDue, r.rests = false, true
			return restDue
		}
		r.isDue, r.active = false, false
	}
}

// forget drops what a connection that rests can do without: header blocks that repeat, both ways, and
// whether polls and loans pay, which it can learn again; a timer that has nothing to do before the next
// stream. Only the flusher may touch the writer, so the reader becomes the flusher for a moment, if there
// is none.
func (c *Conn) forget() {
	c.r.Forget()
	c.poll, c.bdp = nil, nil
	c.loan.Store(nil)
	c.mu.Lock()
	c.out.spares.forget()
	c.control.forget()
	c.dropKeepaliveLocked()
	isFree := c.flusher == flusherResting && c.state < closing
	if isFree {
		c.startFlusherLocked()
	}
	c.mu.Unlock()
	if isFree {
		c.w.Forget()
		c.flushInline()
	}
}
