package transport

import (
	"runtime"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// kickLocked makes sure that a flusher runs. Spawning one on demand costs an
// idle connection nothing and measured as fast as a permanent writer.
func (c *Conn) kickLocked() {
	if c.flushing || c.state == closed {
		return
	}
	c.flushing = true
	c.holders++
	c.out.yield = len(c.streams.table)+c.streams.waiting > 1
	go c.flush()
}

// flush is the flusher: plan, encode, write, tell, until nothing is left to
// send. The only user of c.w.
func (c *Conn) flush() {
	t := turns.Get().(*turn)
	var isLast bool
	yield := c.out.yield // written before the go statement, by whoever started us
	for {
		c.mu.Lock()
		if yield && !c.enoughLocked() {
			// Letting the other runnable goroutines add their frames first saves
			// writes (docs/performance.md).
			c.mu.Unlock()
			runtime.Gosched()
			c.mu.Lock()
		}
		c.planLocked(t)
		if t.empty() {
			c.w.Release() // an idle connection holds no buffer
			c.flushing = false
			isLast = c.leaveLocked()
			c.mu.Unlock()
			break
		}
		c.mu.Unlock()
		c.turnEncode(t)
		err := c.w.Flush(c.nc)
		yield = len(t.notices) > 1
		final := t.control.final
		c.turnTell(t)
		if err != nil {
			c.writeFailed(err, &t.lane)
		} else if final {
			c.closeWrite()
		}
		t.reset()
	}
	t.reset()
	turns.Put(t)
	if isLast {
		c.finish()
	}
}

// enoughToWrite is how many streams with something to send are worth a write
// without waiting for more: those who send so many at once do not need it.
const enoughToWrite = 4

func (c *Conn) enoughLocked() bool {
	n := 0
	for _, q := range [...]*fifo{&c.out.ready, &c.streams.opening} {
		for s := q.head; s != nil && n < enoughToWrite; s = s.next {
			n++
		}
	}
	return n >= enoughToWrite
}

// writeFailed ends sending, and with it the opening of streams. What the peer
// said before it closed is still read, for LingerTimeout at most: it may well be
// the end of a stream, or a GOAWAY with the reason. Then the reader fails too.
func (c *Conn) writeFailed(err error, lane *cq.Lane) {
	c.mu.Lock()
	if c.state >= closing || c.writeErr != nil {
		c.mu.Unlock()
		return
	}
	c.writeErr = err
	c.broken.Store(true)
	isFirst := c.state < draining
	if isFirst {
		c.state.to(draining)
	}
	gone := c.takeOpeningLocked(nil)
	c.mu.Unlock()

	_ = c.nc.SetReadDeadline(time.Now().Add(c.cfg.LingerTimeout))
	cause := c.blame(err)
	if isFirst && c.side == Client {
		c.handler.OnDrain(cause)
	}
	for _, g := range gone {
		g.deliver(cause, lane)
	}
	lane.Flush()
}

func (c *Conn) writeError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writeErr
}

// turnEncode appends the turn's frames to the writer, HPACK included, with no
// lock held.
func (c *Conn) turnEncode(t *turn) {
	if t.peer != nil { // before the acknowledgement that promises it
		c.w.SetMaxFrameSize(t.peer.maxFrame)
		// Both: the peer may have dropped entries meanwhile (RFC 7541 section 4.2).
		c.w.SetHeaderTableSize(t.peer.leastTable)
		c.w.SetHeaderTableSize(t.peer.headerTable)
	}
	t.control.encode(c.w, t.grants)
	for i := range t.steps {
		switch st := &t.steps[i]; st.kind {
		case stepHeaders:
			c.w.Headers(st.id, st.list.Fields, st.end)
			st.list.Free()
		case stepData:
			c.w.Data(st.id, st.prefix[:st.prefixN], st.payload, st.owner, st.end)
			st.owner.Free()
		case stepReset:
			c.w.RSTStream(st.id, frame.NoError)
		}
	}
}

// turnTell reports what was accepted. It runs after the write, so a socket that
// does not take bytes holds completions back instead of filling memory.
func (c *Conn) turnTell(t *turn) {
	for _, n := range t.notices {
		n.s.recv.OnSent(n.sent, &t.lane)
		if n.closed {
			n.s.recv.OnClosed(nil, n.sent, &t.lane)
		}
	}
	t.lane.Flush()
}

// closeWrite half-closes the socket after the last GOAWAY: the peer sees an
// orderly end, and we go on reading so that it is not cut off by a TCP reset.
func (c *Conn) closeWrite() {
	if h, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite()
	}
}
