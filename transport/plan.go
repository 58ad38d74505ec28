package transport

import (
	"math"
	"sync"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// outgoingState is the sending half of the connection. Guarded by Conn.mu.
type outgoingState struct {
	window int64 // the peer's connection window: bytes of DATA we may still send
	ready  readyState
	spares spares
}

// isOpen reports whether the connection's window has room for DATA.
func (o *outgoingState) isOpen() bool { return o.window > 0 }

const (
	// maxTurnBytes is how much DATA one turn carries: enough to fill a socket
	// buffer, little enough that control frames and new streams do not wait.
	maxTurnBytes = 256 << 10
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
	told    int // of notices, how many
	bytes   int // DATA planned
	lane    cq.Lane
}

// stepKind is one kind of frame of a stream.
type stepKind uint8

const (
	stepHeaders stepKind = iota
	stepData
	stepMore
	stepReset
)

// step is one frame of a stream, free of references into it: the stream may end
// while the step is encoded and written. Messages that share a DATA frame are
// one step each: stepData has the frame's length and END_STREAM, stepMore has not.
type step struct {
	kind    stepKind
	end     bool // END_STREAM
	prefixN uint8
	prefix  [frame.PrefixLen]byte
	id      uint32
	length  int               // stepData: of the whole frame
	list    *frame.HeaderList // stepHeaders: owned
	payload []byte            // stepData, stepMore: bytes of owner
	owner   *mem.Buffer       // stepData, stepMore: one reference
}

// notice is what a receiver is told once the turn was written.
type notice struct {
	recv   Receiver
	sent   frame.Sent
	closed bool // both sides have ended: OnClosed(nil)
}

var turns = sync.Pool{New: func() any { return new(turn) }}

func (t *turn) reset() {
	t.control.clear()
	clear(t.steps)
	clear(t.notices)
	t.grants, t.steps, t.notices, t.bytes = t.grants[:0], t.steps[:0], t.notices[:0], 0
	t.told = 0
	t.peer = nil
}

func (t *turn) full() bool { return t.bytes >= maxTurnBytes || len(t.steps) >= maxTurnSteps }

func (t *turn) halfFull() bool { return t.bytes >= maxTurnBytes/2 || len(t.steps) >= maxTurnSteps/2 }

func (t *turn) empty() bool {
	return len(t.steps) == 0 && len(t.grants) == 0 && t.control.empty()
}

// planLocked decides what the next turn writes: control, new streams, then the
// ready streams in turn, a frame each. It is pure table work: no I/O, no
// HPACK, no callback.
func (c *Conn) planLocked(t *turn) {
	if c.goaway.isDue {
		c.goaway.isDue = false
		c.fixGoAwayLocked()
	}
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
	c.in.conn.left.Add(t.control.connCredit)
	for _, s := range t.control.credits {
		s.crediting = false
		if n := c.grantLocked(s); n > 0 {
			t.grants = append(t.grants, grant{s.id, uint32(n)})
		}
	}
	c.in.conn.left.Add(c.control.connCredit) // what the streams' grants brought about, too
	n := t.control.connCredit + c.control.connCredit
	if t.control.connCredit, c.control.connCredit = 0, 0; n > 0 {
		t.grants = append(t.grants, grant{0, uint32(n)})
	}
}

// planOpeningsLocked opens waiting client streams while the peer's
// MAX_CONCURRENT_STREAMS allows. Half of a turn is kept for open streams: a thousand callers could
// fill every turn with new ones. Where even a turn is more than the connection's window has room
// for, all of that is.
func (c *Conn) planOpeningsLocked(t *turn) {
	isBusy, most := !c.out.ready.isEmpty(c.out.isOpen()), int64(math.MaxInt64)
	switch {
	case isBusy && c.out.window < maxTurnBytes:
		most = 0
	case isBusy:
		most = maxTurnBytes / 2
	}
	for !t.full() && c.canOpenLocked() && !(isBusy && t.halfFull()) {
		c.planOpeningLocked(t, most)
	}
	if c.side == Client && c.streams.nextID > maxStreamID && c.state < draining {
		c.exhaustedLocked()
	}
}

// planOpeningLocked opens the next stream. It plans headers, and a frame of DATA unless the first
// message is of more than most bytes. Identifiers are assigned here, in wire order.
func (c *Conn) planOpeningLocked(t *turn, most int64) {
	s := c.streams.opening.pop()
	c.streams.waiting--
	s.id = c.streams.nextID
	c.streams.nextID += 2
	c.openLocked(s)
	s.state.must(sendHeaders)
	room := c.out.window
	if s.out.hasMessage() && int64(s.out.size()) > most {
		room = 0
	}
	isOpen, isShort := c.out.isOpen(), s.out.isShort()
	cost := c.planStreamLocked(t, s, room)
	if isShort {
		c.out.ready.charge(isShort, isOpen, cost)
	}
}

func (c *Conn) canOpenLocked() bool {
	return c.streams.opening.head != nil && c.state <= open &&
		uint32(len(c.streams.table)) < c.peer.maxConcurrent && c.streams.nextID <= maxStreamID
}

// openLocked enters a stream with an identifier into the table.
func (c *Conn) openLocked(s *Stream) {
	c.streams.add(s)
	if len(c.streams.table) == 1 {
		c.occupiedLocked()
	}
	s.sendWindow = int32(c.peer.initialWindow)
	s.recvWindow.Store(int32(c.in.streamWindow.Load()))
}

func (c *Conn) planReadyLocked(t *turn) {
	for !t.full() {
		isOpen := c.out.isOpen()
		s, isShort := c.out.ready.pop(isOpen)
		if s == nil {
			return
		}
		c.out.ready.charge(isShort, isOpen, c.planStreamLocked(t, s, c.out.window))
	}
}

// planStreamLocked plans headers, one DATA frame of at most room bytes, and an end for s, queues s
// again if there is more, and returns the cost.
func (c *Conn) planStreamLocked(t *turn, s *Stream, room int64) (cost int) {
	before, steps, bytes := s.sent, len(t.steps), t.bytes
	c.planHeadersLocked(t, s)
	if s.sent.Headers && s.out.hasMessage() && !t.full() {
		c.planDataLocked(t, s, room)
	}
	if p := s.out; p != nil && p.end && p.msg == nil && (s.sent.Headers || p.trailersOnly()) && !s.sent.End {
		c.planEndLocked(t, s)
	}
	hadShare := s.sent.Bytes > before.Bytes
	if before.Bytes = s.sent.Bytes; s.sent != before { // bytes alone complete nothing
		t.notices = append(t.notices, notice{recv: s.recv, sent: s.sent, closed: s.state == ended})
	}
	s.emptiedLocked()
	c.queueAgainLocked(s, hadShare)
	return t.bytes - bytes + frameCost*(len(t.steps)-steps)
}

// queueAgainLocked puts s back into the queue in which it belongs; hadShare: DATA of it was just planned.
func (c *Conn) queueAgainLocked(s *Stream, hadShare bool) {
	if s.state == ended || s.queue != nil || !s.sendable() {
		return
	}
	switch {
	case s.out.msg == nil:
		c.out.ready.push(s)
	case s.sendWindow <= 0: // a WINDOW_UPDATE of the stream brings it back
	case !c.out.isOpen() && !hadShare: // or it would be before those that had none
		c.out.ready.stall(s)
	default:
		c.out.ready.push(s)
	}
}

func (c *Conn) planHeadersLocked(t *turn, s *Stream) {
	if s.out == nil || s.out.headers == nil {
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

// maxFrameBytes bounds one DATA frame, if the peer accepts more: others wait
// while it is written.
const maxFrameBytes = 256 << 10

// planDataLocked plans one DATA frame, as long as the peer, the turn, both
// windows and room allow: a part of a message, or many messages.
func (c *Conn) planDataLocked(t *turn, s *Stream, room int64) {
	room = min(room, int64(c.peer.maxFrame), maxFrameBytes, int64(s.sendWindow), c.out.window)
	first, n := len(t.steps), int64(0)
	for n < room && s.out.msg != nil && len(t.steps) < maxTurnSteps {
		n += s.planMessageLocked(t, int(room-n))
	}
	if n == 0 {
		return
	}
	s.sendWindow -= int32(n)
	c.out.window -= n
	s.sent.Bytes += uint64(n)
	t.bytes += int(n)
	head := &t.steps[first]
	head.kind, head.length = stepData, int(n)
	head.end = s.out.end && s.out.trailers == nil && s.out.msg == nil
	if head.end {
		c.sentEndLocked(t, s)
	}
}

// planMessageLocked plans at most room bytes of the outstanding message and
// returns how many.
func (s *Stream) planMessageLocked(t *turn, room int) int64 {
	p := s.out
	st := step{kind: stepMore, id: s.id}
	size, head := p.size(), p.prefixLen()
	from, to := p.offset, min(p.offset+room, size)
	if from < head {
		st.prefixN = uint8(copy(st.prefix[:], p.prefix[from:min(to, head)]))
	}
	if to > head {
		st.payload = p.msg.Bytes()[max(from-head, 0) : to-head]
	}
	p.offset = to
	if to < size {
		st.owner = p.msg.Ref()
	} else {
		st.owner = p.msg
		s.sent.Messages += p.count()
		p.popMessage()
	}
	t.steps = append(t.steps, st)
	return int64(to - from)
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
