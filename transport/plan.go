package transport

import (
	"sync"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// outgoingState is the sending half of the connection. Guarded by Conn.mu.
type outgoingState struct {
	window  int64 // the peer's connection window: bytes of DATA we may still send
	ready   fifo  // streams with something to send
	stalled fifo  // streams that wait for the connection window
}

const (
	// maxTurnBytes is how much DATA one turn carries: enough to fill a socket
	// buffer, little enough that control frames and new streams do not wait.
	maxTurnBytes = 64 << 10
	// maxTurnSteps bounds a turn of small frames.
	maxTurnSteps = 512
)

// turn is one cycle of the flusher: what to write and whom to tell. Pooled.
type turn struct {
	control controlState
	peer    *peerSettings // set when the peer changed what the encoder must know
	grants  []grant
	steps   []step
	notices []notice
	bytes   int // DATA planned
	lane    cq.Lane
}

// stepKind is one kind of frame of a stream.
type stepKind uint8

const (
	stepHeaders stepKind = iota
	stepData
	stepReset
)

// step is one frame of a stream, free of references into it: the stream may end
// while the step is encoded and written.
type step struct {
	kind    stepKind
	end     bool // END_STREAM
	prefixN uint8
	prefix  [frame.PrefixLen]byte
	id      uint32
	list    *frame.HeaderList // stepHeaders: owned
	payload []byte            // stepData: bytes of owner
	owner   *mem.Buffer       // stepData: one reference
}

// notice is what a receiver is told once the turn was written.
type notice struct {
	s      *Stream
	sent   frame.Sent
	closed bool // both sides have ended: OnClosed(nil)
}

var turns = sync.Pool{New: func() any { return new(turn) }}

func (t *turn) reset() {
	t.control.clear()
	clear(t.steps)
	clear(t.notices)
	t.grants, t.steps, t.notices, t.bytes = t.grants[:0], t.steps[:0], t.notices[:0], 0
	t.peer = nil
}

func (t *turn) full() bool { return t.bytes >= maxTurnBytes || len(t.steps) >= maxTurnSteps }

func (t *turn) empty() bool {
	return len(t.steps) == 0 && len(t.grants) == 0 && t.control.empty()
}

// planLocked decides what the next turn writes: control, new streams, then the
// ready streams round-robin, a frame each. It is pure table work: no I/O, no
// HPACK, no callback.
func (c *Conn) planLocked(t *turn) {
	t.control, c.control = c.control, t.control
	if c.peer.changed {
		c.peer.changed = false
		p := c.peer
		t.peer = &p
		c.peer.leastTable = c.peer.headerTable
	}
	if c.state >= closing || c.writeErr != nil {
		if !t.control.final || c.writeErr != nil {
			t.control.clear() // the last GOAWAY is written, or cannot be
		}
		return
	}
	c.planGrantsLocked(t)
	c.planOpeningsLocked(t)
	c.planReadyLocked(t)
	if c.side == Server && len(t.steps)+len(t.grants) > 0 {
		c.pings.forgiveLocked()
	}
}

// planGrantsLocked turns due credit into WINDOW_UPDATEs.
func (c *Conn) planGrantsLocked(t *turn) {
	if n := t.control.connCredit; n > 0 {
		t.grants = append(t.grants, grant{0, uint32(n)})
		c.in.connWindow.Add(n)
	}
	for _, s := range t.control.credits {
		s.crediting = false
		n := s.credit.Swap(0)
		if n > 0 && s.state.canRecv() {
			s.recvWindow.Add(n)
			t.grants = append(t.grants, grant{s.id, uint32(n)})
		}
	}
	t.control.connCredit = 0
}

// planOpeningsLocked opens waiting client streams while the peer's
// MAX_CONCURRENT_STREAMS allows. Identifiers are given here, in wire order.
func (c *Conn) planOpeningsLocked(t *turn) {
	for !t.full() && c.canOpenLocked() {
		s := c.streams.opening.pop()
		c.streams.waiting--
		s.id = c.streams.nextID
		c.streams.nextID += 2
		c.openLocked(s)
		s.state.must(sendHeaders)
		c.planStreamLocked(t, s)
	}
	if c.side == Client && c.streams.nextID > maxStreamID && c.state < draining {
		c.exhaustedLocked()
	}
}

func (c *Conn) canOpenLocked() bool {
	return c.streams.opening.head != nil && c.state <= open &&
		uint32(len(c.streams.table)) < c.peer.maxConcurrent && c.streams.nextID <= maxStreamID
}

// openLocked enters a stream with an identifier into the table.
func (c *Conn) openLocked(s *Stream) {
	if len(c.streams.table) == 0 {
		c.occupiedLocked()
	}
	c.streams.table[s.id] = s
	s.sendWindow = int64(c.peer.initialWindow)
	s.recvWindow.Store(c.in.streamWindow.Load())
}

func (c *Conn) planReadyLocked(t *turn) {
	for !t.full() {
		s := c.out.ready.pop()
		if s == nil {
			return
		}
		c.planStreamLocked(t, s)
	}
}

// planStreamLocked plans headers, DATA up to one full frame, and an end for s,
// and puts s back into the queue in which it belongs.
func (c *Conn) planStreamLocked(t *turn, s *Stream) {
	before := s.sent
	c.planHeadersLocked(t, s)
	for room := int64(c.peer.maxFrame); s.sent.Headers && s.out.msg != nil && room > 0 && !t.full(); {
		n := c.planDataLocked(t, s, room)
		if n == 0 {
			break
		}
		room -= n
	}
	if s.out.end && s.out.msg == nil && (s.sent.Headers || s.out.trailersOnly()) && !s.sent.End {
		c.planEndLocked(t, s)
	}
	if before.Bytes = s.sent.Bytes; s.sent != before { // bytes alone complete nothing
		t.notices = append(t.notices, notice{s: s, sent: s.sent, closed: s.state == ended})
	}
	if s.state == ended || s.queue != nil || !s.sendable() {
		return
	}
	switch {
	case s.out.msg == nil:
		c.out.ready.push(s)
	case s.sendWindow <= 0: // a WINDOW_UPDATE of the stream brings it back
	case c.out.window <= 0:
		c.out.stalled.push(s)
	default:
		c.out.ready.push(s)
	}
}

func (c *Conn) planHeadersLocked(t *turn, s *Stream) {
	if s.out.headers == nil {
		return
	}
	end := s.out.end && s.out.msg == nil && s.out.trailers == nil
	t.steps = append(t.steps, step{kind: stepHeaders, id: s.id, list: s.out.headers, end: end})
	s.out.headers = nil
	s.sent.Headers = true
	if end {
		c.sentEndLocked(t, s)
	}
}

// planDataLocked plans one DATA frame of the first message, as large as room
// and both windows allow, and returns its length; 0 if there is no window.
func (c *Conn) planDataLocked(t *turn, s *Stream, room int64) int64 {
	size := s.out.size()
	n := min(int64(size-s.out.offset), room, s.sendWindow, c.out.window)
	if n <= 0 {
		return 0
	}
	st := step{kind: stepData, id: s.id}
	from, to := s.out.offset, s.out.offset+int(n)
	if from < frame.PrefixLen {
		st.prefixN = uint8(copy(st.prefix[:], s.out.prefix[from:min(to, frame.PrefixLen)]))
	}
	if to > frame.PrefixLen {
		st.payload = s.out.msg.Bytes()[max(from-frame.PrefixLen, 0) : to-frame.PrefixLen]
	}
	s.out.offset = to
	s.sendWindow -= n
	c.out.window -= n
	s.sent.Bytes += uint64(n)
	t.bytes += int(n)
	if to < size {
		st.owner = s.out.msg.Ref()
		t.steps = append(t.steps, st)
		return n
	}
	st.owner = s.out.msg
	s.out.popMessage()
	s.sent.Messages++
	st.end = s.out.end && s.out.trailers == nil && s.out.msg == nil
	t.steps = append(t.steps, st)
	if st.end {
		c.sentEndLocked(t, s)
	}
	return n
}

// planEndLocked plans trailers, or an empty DATA frame with END_STREAM.
func (c *Conn) planEndLocked(t *turn, s *Stream) {
	if s.out.trailers != nil {
		t.steps = append(t.steps, step{kind: stepHeaders, id: s.id, list: s.out.trailers, end: true})
		s.out.trailers = nil
		s.sent.Headers = true
	} else {
		t.steps = append(t.steps, step{kind: stepData, id: s.id, end: true})
	}
	c.sentEndLocked(t, s)
}

// sentEndLocked closes our half. A server that ends first also stops the
// client: the rest of the request is not wanted (RFC 9113 section 8.1).
func (c *Conn) sentEndLocked(t *turn, s *Stream) {
	s.sent.End = true
	s.out.end = false
	c.streams.answered++
	s.state.must(sendEnd)
	switch {
	case s.state == ended:
		c.endStreamLocked(s, endedBoth)
	case c.side == Server:
		t.steps = append(t.steps, step{kind: stepReset, id: s.id})
		c.endStreamLocked(s, resetByUs)
	}
}
