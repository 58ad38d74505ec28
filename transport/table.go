package transport

import (
	"sync"
	"sync/atomic"

	"github.com/cqrpc/cqrpc/frame"
)

// streamTableState is every stream of a connection. Guarded by Conn.mu.
type streamTableState struct {
	table   map[uint32]*Stream // opened and not ended; may be nil if there are none
	opening fifo               // client streams with headers to send, waiting for a slot
	waiting int32              // streams in opening
	most    atomic.Int32       // streams in table at once, so far; may be read without mu
	nextID  uint32             // client: the next identifier to give
	// lastPeerID is the highest identifier the peer has used.
	lastPeerID uint32
	recent     recentlyEnded
	ended      uint64 // streams that ended other than by a fault of the peer
	answered   uint64 // streams whose end we have sent
}

func (t *streamTableState) init(side Side, first uint32) {
	if side == Client {
		t.nextID = first
	}
}

// narrowTable is how many streams a table of the least size takes.
const narrowTable = 8

// tables are empty and narrow, for the next connection that gets a stream.
var tables = sync.Pool{New: func() any { return make(map[uint32]*Stream) }}

func (t *streamTableState) add(s *Stream) {
	if t.table == nil {
		t.table = tables.Get().(map[uint32]*Stream)
	}
	t.table[s.id] = s
	if n := int32(len(t.table)); n > t.most.Load() { //nolint:gosec // identifiers have 31 bits
		t.most.Store(n)
	}
}

// isWide reports whether the table has grown beyond narrowTable.
func (t *streamTableState) isWide() bool { return t.most.Load() > narrowTable }

// remove takes out a stream. A wide table stays for those that come next.
func (t *streamTableState) remove(id uint32) {
	delete(t.table, id)
	if len(t.table) == 0 && t.table != nil && !t.isWide() {
		tables.Put(t.table)
		t.table = nil
	}
}

// isIdleLocked reports whether id was never used by anyone (RFC 9113 section 5.1.1).
func (c *Conn) isIdleLocked(id uint32) bool {
	if c.ours(id) {
		return id >= c.streams.nextID
	}
	return id > c.streams.lastPeerID
}

// ours reports whether id is one that this side gives.
func (c *Conn) ours(id uint32) bool { return (c.side == Client) == (id%2 == 1) }

// found is what the tables know of the stream that a frame names.
type found struct {
	s       *Stream
	canRecv bool     // s: the peer has not ended it
	isIdle  bool     // no s: never opened
	how     endedHow // no s: how it ended
}

func (c *Conn) lookup(id uint32) found {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.streams.table[id]; s != nil {
		return found{s: s, canRecv: s.state.canRecv()}
	}
	if c.isIdleLocked(id) {
		return found{isIdle: true}
	}
	return found{how: c.streams.recent.find(id)}
}

// endStreamLocked takes a stream out of every table and queue; how is
// remembered for the frames that may still come for it.
func (c *Conn) endStreamLocked(s *Stream, how endedHow) {
	s.state.must(reset)
	s.dropLocked()
	s.unqueue()
	c.streams.remove(s.id)
	c.streams.recent.add(s.id, how)
	if how != violated {
		c.streams.ended++
	}
	if len(c.streams.table) == 0 {
		c.emptyLocked()
	}
	if c.streams.opening.head != nil {
		c.kickLocked() // a slot is free
	}
}

// takeAllLocked empties the tables because the connection is gone.
func (c *Conn) takeAllLocked() []goneStream {
	gone := make([]goneStream, 0, len(c.streams.table)+int(c.streams.waiting))
	for _, s := range c.streams.table {
		if s.recv == nil {
			s.lost = true // the reader is inside OnStream and tells it afterwards
		} else {
			gone = append(gone, goneStream{recv: s.recv, sent: s.sent})
		}
		s.state.must(reset)
		s.dropLocked()
		s.unqueue()
	}
	clear(c.streams.table)
	return c.takeOpeningLocked(gone)
}

// takeOpeningLocked empties the queue of streams that were never sent.
func (c *Conn) takeOpeningLocked(gone []goneStream) []goneStream {
	for s := c.streams.opening.pop(); s != nil; s = c.streams.opening.pop() {
		s.dead = true
		s.dropLocked()
		gone = append(gone, goneStream{recv: s.recv, unsent: true})
	}
	c.streams.waiting = 0
	return gone
}

// closeViolation ends a stream because the peer broke a rule on it.
func (c *Conn) closeViolation(s *Stream, err *frame.StreamError) (frame.Sent, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.state == ended {
		return s.sent, false
	}
	c.control.addReset(s.id, err.Code)
	c.endStreamLocked(s, violated)
	c.kickLocked()
	return s.sent, true
}

// resetClosed answers a frame that a closed stream forbids.
func (c *Conn) resetClosed(e *frame.StreamError) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.control.addReset(e.StreamID, e.Code)
	c.streams.recent.add(e.StreamID, violated)
	c.kickLocked()
	return c.unsentBudgetLocked()
}
