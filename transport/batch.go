package transport

import (
	"runtime"

	"github.com/cqrpc/cqrpc/cq"
)

const (
	// maxBatch is how many frames are handled before their completions are
	// delivered, when more are already buffered.
	maxBatch = 64

	// enoughAsked is how many DATA frames end a batch early, where messages are answered at once:
	// answers are written at the end of a batch, and the peer should not idle until then.
	enoughAsked = 24
)

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

// isEnough reports whether to end a batch although more is buffered, so that what it has
// brought is answered first. Pollers of a queue need no such end: they write between their
// events (cq.Source.Tend).
func (c *Conn) isEnough() bool {
	if !c.fruitful || c.asked < enoughAsked {
		return false
	}
	_, isPolled := c.lane.Foremost().(*cq.Queue) // of the last batch
	return !isPolled
}

// beginBatch lets others know that the reader will flush what they send
// meanwhile. Until endBatch the reader does nothing that waits for the peer.
func (c *Conn) beginBatch() {
	if c.batching {
		return
	}
	c.batching = true
	t := now()
	c.touch(t)                                   // first: a request that wakes the keepalive is itself a sign of life
	c.abuse.elders.tick(t, c.streams.lastPeerID) // without the lock: only the reader changes it
	c.setInBatch()
}

func (c *Conn) setInBatch() {
	c.mu.Lock()
	c.inBatch = true
	c.mu.Unlock()
}

// endBatch writes what a batch has caused. Before that it yields once to the scheduler, so
// that the goroutines it has woken can add their answers (docs/decisions/011).
func (c *Conn) endBatch() {
	c.mu.Lock()
	if c.try != nil && !c.enoughLocked(min(int(c.asked), enoughToWrite)) {
		// Those who were woken run now, and what they send needs no goroutine
		// of its own to be written.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	c.fruitful = c.enoughLocked(enoughToWrite)
	c.handled(int(c.asked))
	c.batching, c.inBatch, c.asked = false, false, 0
	isDue := c.flusher == flusherDue
	if isDue {
		c.startFlusherLocked()
	}
	c.mu.Unlock()
	if isDue {
		c.flushInline()
	}
}
