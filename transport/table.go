package transport

import "github.com/cqrpc/cqrpc/frame"

// streamTableState is every stream of a connection. Guarded by Conn.mu.
type streamTableState struct {
	table   map[uint32]*Stream // opened and not ended
	opening fifo               // client streams with headers to send, waiting for a slot
	waiting int                // live streams in opening
	nextID  uint32             // client: the next identifier to give
	// lastPeerID is the highest identifier the peer has used.
	lastPeerID uint32
	recent     recentlyEnded
}

func (t *streamTableState) init(side Side, first uint32) {
	t.table = make(map[uint32]*Stream)
	if side == Client {
		t.nextID = first
	}
}

// isIdle reports whether id was never used by anyone (RFC 9113 section 5.1.1).
func (c *Conn) isIdleLocked(id uint32) bool {
	if c.ours(id) {
		return id >= c.streams.nextID
	}
	return id > c.streams.lastPeerID
}

// ours reports whether id is one that this side gives.
func (c *Conn) ours(id uint32) bool { return (c.side == Client) == (id%2 == 1) }

func (c *Conn) lookup(id uint32) *Stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams.table[id]
}

// endStreamLocked takes a stream out of every table; how is remembered for the
// frames that may still come for it.
func (c *Conn) endStreamLocked(s *Stream, how endedHow) {
	s.state.must(reset)
	s.out.drop()
	delete(c.streams.table, s.id)
	c.streams.recent.add(s.id, how)
	if len(c.streams.table) == 0 {
		c.emptyLocked()
	}
	if c.streams.opening.head != nil {
		c.kickLocked() // a slot is free
	}
}

// takeAllLocked empties the tables because the connection is gone.
func (c *Conn) takeAllLocked() []goneStream {
	gone := make([]goneStream, 0, len(c.streams.table)+c.streams.waiting)
	for _, s := range c.streams.table {
		if s.recv == nil {
			s.lost = true // the reader is inside OnStream and tells it afterwards
		} else {
			gone = append(gone, goneStream{recv: s.recv, sent: s.sent})
		}
		s.state.must(reset)
		s.out.drop()
	}
	clear(c.streams.table)
	gone = c.takeOpeningLocked(gone)
	c.out.ready, c.out.stalled = fifo{}, fifo{}
	return gone
}

// takeOpeningLocked empties the queue of streams that were never sent.
func (c *Conn) takeOpeningLocked(gone []goneStream) []goneStream {
	for s := c.streams.opening.pop(); s != nil; s = c.streams.opening.pop() {
		if s.dead {
			continue
		}
		s.dead = true
		s.out.drop()
		gone = append(gone, goneStream{recv: s.recv, unsent: true})
	}
	c.streams.waiting = 0
	return gone
}

// fifo is an intrusive queue of streams. A stream is in one queue at a time.
type fifo struct{ head, tail *Stream }

func (q *fifo) push(s *Stream) {
	s.queued, s.next = true, nil
	if q.tail == nil {
		q.head = s
	} else {
		q.tail.next = s
	}
	q.tail = s
}

func (q *fifo) pop() *Stream {
	s := q.head
	if s == nil {
		return nil
	}
	q.head = s.next
	if q.head == nil {
		q.tail = nil
	}
	s.queued, s.next = false, nil
	return s
}

// splice moves all of other to the end of q.
func (q *fifo) splice(other *fifo) {
	if other.head == nil {
		return
	}
	if q.tail == nil {
		*q = *other
	} else {
		q.tail.next = other.head
		q.tail = other.tail
	}
	*other = fifo{}
}

// endedHow says how a stream ended, which decides what a late frame means.
type endedHow uint8

const (
	unknownEnd  endedHow = iota
	endedBoth            // END_STREAM both ways: a late frame breaks the protocol
	resetByPeer          // likewise
	resetByUs            // the peer may not know yet: late frames are ignored
)

// recentlyEnded remembers the latest streams that ended, in bounded space
// (RFC 9113 section 5.1, "closed"). A late frame for an older one is treated as
// a protocol error, which a peer that far behind deserves.
type recentlyEnded struct {
	ring []endedStream // grown up to recentStreams
	next int
}

type endedStream struct {
	id  uint32
	how endedHow
}

const recentStreams = 128

func (r *recentlyEnded) add(id uint32, how endedHow) {
	if len(r.ring) < recentStreams {
		r.ring = append(r.ring, endedStream{id, how})
		return
	}
	r.ring[r.next] = endedStream{id, how}
	r.next = (r.next + 1) % recentStreams
}

func (r *recentlyEnded) find(id uint32) endedHow {
	for i := len(r.ring) - 1; i >= 0; i-- {
		if r.ring[i].id == id {
			return r.ring[i].how
		}
	}
	return unknownEnd
}

// closeViolation ends a stream because the peer broke a rule on it.
func (c *Conn) closeViolation(s *Stream, err *frame.StreamError) (frame.Sent, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.state == ended {
		return s.sent, false
	}
	c.control.addReset(s.id, err.Code)
	c.endStreamLocked(s, resetByUs)
	c.kickLocked()
	return s.sent, true
}
