package transport

import (
	"net"
	"runtime"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// kickLocked makes sure that a flusher runs, or that the reader becomes one when it
// has handled what it has read, because until then there may be more to write. A
// flusher that is started on demand costs an idle connection nothing, and was measured
// to be as fast as a permanent one.
func (c *Conn) kickLocked() {
	switch {
	case c.flusher == flusherDue:
		c.gatherLocked()
	case c.flusher != flusherResting || c.state == closed:
	case c.inBatch:
		c.flusher.to(flusherDue)
		c.gatherLocked()
	default:
		c.startFlusherLocked()
		go c.flush(nil, c.isSharedLocked())
	}
}

func (c *Conn) startFlusherLocked() {
	c.flusher.to(flusherRunning)
	c.holders++
	if l := c.loan.Load(); l != nil {
		l.gathered.Store(0)
	}
}

// flush is the flusher on a goroutine of its own: plan, encode, write, tell,
// until nothing is left to send. t, if not nil, is a turn that is encoded already and
// perhaps written in part. yield: let others add before the first turn is planned.
func (c *Conn) flush(t *turn, yield bool) {
	if t == nil {
		t = turns.Get().(*turn)
	} else {
		yield = c.turnEnd(t, c.write())
	}
	c.flushOn(t, yield)
}

// flushOn is flush after a turn, which was t.
func (c *Conn) flushOn(t *turn, yield bool) {
	for c.turnPlan(t, yield) {
		c.turnEncode(t)
		yield = c.turnEnd(t, c.write())
	}
	turns.Put(t)
}

// write writes what is encoded, waiting where it must. Most of the time it need not.
func (c *Conn) write() error {
	if c.try != nil {
		if done, err := c.tryWrite(0); done {
			return err
		}
	}
	err := c.w.Flush(c.sink)
	if err == nil && c.late != nil {
		err = c.late.drain()
	}
	return err
}

// maxCopied is how many octets the reader copies rather than start a goroutine that
// writes them without a copy.
const maxCopied = 64 << 10

// tryWrite writes what can be written without waiting, and reports whether nothing
// is left. Large payloads are copied for that, if all is at most most octets.
func (c *Conn) tryWrite(most int) (done bool, err error) {
	done, err = c.w.TryFlush(c.try.TryWrite, most)
	return done && (err != nil || c.late == nil || c.late.isSent()), err
}

// maxInlineTurns is how many turns the reader may take before it reads again.
const maxInlineTurns = 4

// flushInline is the flusher on the reader's goroutine, which may not wait: as
// soon as the socket is full, or there is a lot to do, another goroutine goes on.
func (c *Conn) flushInline() {
	if c.try == nil {
		go c.flush(nil, false)
		return
	}
	t := turns.Get().(*turn)
	for range maxInlineTurns {
		if !c.turnPlan(t, false) { // no yield: there is more to read
			turns.Put(t)
			return
		}
		c.turnEncode(t)
		done, err := c.tryWrite(maxCopied)
		if !done {
			go c.flush(t, false)
			return
		}
		c.turnEnd(t, err)
	}
	turns.Put(t)
	go c.flush(nil, false)
}

// isSharedLocked reports whether several streams may have something to send: then
// the flusher yields before it begins, so that they can add it.
func (c *Conn) isSharedLocked() bool { return len(c.streams.table)+int(c.streams.waiting) > 1 }

// turnPlan plans the next turn. It reports false if there is nothing left to
// send: then the caller is the flusher no more.
func (c *Conn) turnPlan(t *turn, yield bool) bool {
	c.mu.Lock()
	if yield && !c.enoughLocked(enoughToWrite) {
		// Letting the other runnable goroutines add their frames first saves
		// writes (docs/performance.md).
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	c.planLocked(t)
	if !t.empty() {
		c.mu.Unlock()
		return true
	}
	t.reset()
	c.w.Release() // an idle connection holds no buffer
	c.flusher.to(flusherResting)
	isLast := c.leaveLocked()
	c.mu.Unlock()
	if isLast {
		c.finish()
	}
	return false
}

// turnEnd tells what became of a turn that was written, or failed with err. It
// reports whether to let others add to the next one first, because several streams
// are at work.
func (c *Conn) turnEnd(t *turn, err error) (yield bool) {
	hasReturned := false
	defer func() {
		if !hasReturned { // an inline reaction has panicked, which may be recovered, or ended the goroutine
			go func() { c.flushOn(t, c.turnEnd(t, err)) }()
		}
	}()
	yield = len(t.notices) > 1
	final := t.control.final
	c.turnTell(t)
	if err != nil {
		c.writeFailed(err, &t.lane)
	} else if final {
		c.closeWrite()
	}
	t.reset()
	hasReturned = true
	return yield
}

// enoughToWrite is how many streams with something to send are worth a write without
// waiting for more: senders that are so many fill writes anyway.
const enoughToWrite = 4

// enoughLocked reports whether so many streams have something to send.
func (c *Conn) enoughLocked(want int) bool {
	n, r := 0, &c.out.ready
	queues := [...]*fifo{&r.short.ready, &r.long.ready, &c.streams.opening, &r.short.stalled, &r.long.stalled}
	some := queues[:]
	if !c.out.isOpen() {
		some = queues[:3]
	}
	for _, q := range some {
		for s := q.head; s != nil && n < want; s = s.next {
			n++
		}
	}
	return n >= want
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
	c.cutLaterLocked()
	c.mu.Unlock()

	c.endBy()
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
			c.w.HeaderList(st.id, st.list, st.end)
			st.list.Free()
		case stepData:
			c.w.BeginData(st.id, st.length, st.end)
			fallthrough
		case stepMore:
			c.w.AppendData(st.prefix[:st.prefixN], st.payload, st.owner)
			st.owner.Free()
		case stepReset:
			c.w.RSTStream(st.id, frame.NoError)
		}
	}
}

// turnTell reports what was accepted. It runs after the write, so a socket that
// does not take bytes holds completions back instead of filling memory.
func (c *Conn) turnTell(t *turn) {
	for t.told < len(t.notices) {
		n := &t.notices[t.told]
		t.told++
		if n.closed {
			n.recv.OnClosed(nil, n.sent, &t.lane)
		} else {
			n.recv.OnSent(n.sent, &t.lane)
		}
	}
	t.lane.Flush()
}

// closeWrite half-closes the socket after the last GOAWAY: the peer sees an
// orderly end, and we go on reading so that it is not cut off by a TCP reset.
// A pipe in memory resets nothing, and one that cannot be half-closed would only
// show both ends to each other waiting, for LingerTimeout: it is closed at once.
func (c *Conn) closeWrite() {
	if h, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite()
		return
	}
	switch c.nc.LocalAddr().(type) {
	case *net.TCPAddr, *net.UnixAddr: // a socket that somebody has wrapped
	default:
		_ = c.nc.Close()
	}
}
