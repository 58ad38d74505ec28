package call

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// sendSide is the state of this side's half. Guarded by Call.mu.
type sendSide struct {
	queued frame.Outgoing // accepted, not handed to a stream yet
	issued uint64         // messages accepted
	bytes  uint64         // of those, prefixes included
	sent   frame.Sent     // what the current stream has reported
	state  sendState
	hinted bool // the outstanding message completes when it is buffered
	// repeating: messages go out again, on another stream; their operations may have
	// completed.
	repeating bool
	// handing counts the goroutines that have taken sends of earlier batches and
	// not called Stream.Send yet. Meanwhile what is accepted stays queued.
	handing int32
	backlog *backlog // while repeating: what waits behind queued; nil nearly always
}

// packed is a message ready to be sent.
type packed struct {
	body   *mem.Buffer
	prefix [frame.PrefixLen]byte
}

// backlog is messages that go out one after the other, each when the one before has been
// sent, and then the end of this half, if it is set. There is at least one message.
type backlog struct {
	messages []packed
	end      bool
}

// writeBuffer is how many bytes of messages may wait to be framed while those
// with BufferHint complete at once (C-core grpc.http2.write_buffer_size).
const writeBuffer = 64 << 10

// messageRoom is how many bytes a waiting message counts beside its own. A small one that is
// kept for a retry, or waits alone, holds ten times its bytes: a pooled buffer has at least 256.
const messageRoom = 128

// isBuffered reports whether the stream has all messages, and those that are not
// framed yet fit the write buffer.
func (s *sendSide) isBuffered() bool {
	if s.queued.Message != nil || s.backlog != nil || s.handing > 0 {
		return false
	}
	return s.bytes-s.sent.Bytes+messageRoom*(s.issued-s.sent.Messages) <= writeBuffer
}

// turn is the number, from 1, of the message that is queued, or was last given to the stream.
func (s *sendSide) turn() uint64 {
	if s.backlog == nil {
		return s.issued
	}
	return s.issued - uint64(len(s.backlog.messages))
}

// isBufferedLocked reports whether a message with BufferHint may complete. A client's may
// not before the headers are framed: the application would send a second message, and then
// the call could not be repeated any more, although no server has seen any of it.
func (c *Call) isBufferedLocked() bool {
	return (c.isServer() || c.send.sent.Headers) && c.send.isBuffered()
}

// accept queues a message.
func (s *sendSide) accept(o *frame.Outgoing) {
	switch m := (packed{o.Message, o.Prefix}); {
	case !s.repeating:
		s.queued.Message, s.queued.Prefix = o.Message, o.Prefix
	case s.backlog == nil:
		s.backlog = &backlog{messages: []packed{m}}
	default:
		s.backlog.messages = append(s.backlog.messages, m)
	}
	s.issued++
	s.bytes += uint64(frame.PrefixLen + o.Message.Len())
}

// acceptEnd queues the end of this half, behind the backlog.
func (s *sendSide) acceptEnd(o *frame.Outgoing) {
	if s.backlog != nil {
		s.backlog.end = true
	} else {
		s.queued.End, s.queued.Trailers = true, o.Trailers
	}
}

// isEnding reports whether the end of this half was accepted.
func (s *sendSide) isEnding() bool { return s.state >= sendClosed || s.queued.End }

// drop frees what was accepted and not handed to a stream.
func (s *sendSide) drop() {
	s.queued.Headers.Free()
	s.queued.Message.Free()
	s.queued.Trailers.Free()
	s.queued = frame.Outgoing{}
	if s.backlog != nil {
		for _, m := range s.backlog.messages {
			m.body.Free()
		}
		s.backlog = nil
	}
}

// takeUnsent empties the queue and the backlog, and returns their messages, which are the
// last that were accepted.
func (s *sendSide) takeUnsent() (left []packed) {
	if s.queued.Message != nil {
		left = append(left, packed{s.queued.Message, s.queued.Prefix})
	}
	if s.backlog != nil {
		left = append(left, s.backlog.messages...)
	}
	s.queued.Headers.Free()
	s.queued, s.backlog = frame.Outgoing{}, nil
	return left
}

// advance queues the first message of the backlog, and the end if it is the last.
func (s *sendSide) advance() {
	b := s.backlog
	s.queued.Message, s.queued.Prefix = b.messages[0].body, b.messages[0].prefix
	if b.messages = b.messages[1:]; len(b.messages) == 0 {
		s.queued.End, s.backlog = b.end, nil
	}
}

// isSendingLocked reports whether a message is with the stream: what follows it
// may have to wait for flow control.
func (c *Call) isSendingLocked() bool {
	return c.send.sent.Messages < c.send.issued && c.send.queued.Message == nil
}

// sendLocked starts the send operations, in the order they go out.
func (c *Call) sendLocked(p *parcel, a *after, lane *cq.Lane) {
	p.take()
	if p.excess != nil && c.phase == running {
		c.concludeLocked(p.verdict(), a, lane)
	}
	if c.phase != running {
		p.discard()
		c.failSendsLocked(p.set, true, lane)
		if p.set.has(SendStatusOp) {
			c.discardLocked(a)
		}
		return
	}
	s := &c.send
	switch {
	case p.out.Headers == nil:
	case s.state == sendIdle:
		c.startLocked(p)
	default: // they went out by implication
		p.out.Headers.Free()
		c.settleLocked(SendInitialMetadataOp, false, lane)
	}
	switch {
	case p.out.Message == nil:
	case s.isEnding(): // fails its batch, not the call
		p.out.Message.Free()
		c.settleLocked(SendMessageOp, false, lane)
	default:
		s.accept(&p.out)
		if c.caller != nil {
			c.caller.replay.retry.charge(s)
		}
		if p.passing != nil {
			p.passing.passage.sent.add(p.passing.size)
		}
	}
	if p.out.End {
		s.acceptEnd(&p.out)
		if p.passing != nil {
			p.passing.passage.answer = p.passing.answer
		}
	}
	c.endSendingLocked(p)
	c.dispatchLocked(a)
}

// startLocked opens this half: it takes the headers, and on a client keeps them
// for a retry.
func (c *Call) startLocked(p *parcel) {
	c.send.state.to(sendOpen)
	c.send.queued.Headers = p.out.Headers
	if c.isServer() {
		return
	}
	c.caller.replay.headers, c.caller.replay.isTimed = p.out.Headers.Ref(), c.clock != nil
	c.waitForReady = p.waitForReady(c.waitForReady)
}

// endSendingLocked notes that the end of this half is on its way out.
func (c *Call) endSendingLocked(p *parcel) {
	s := &c.send
	isEnding := s.queued.End || s.backlog != nil && s.backlog.end
	if p.bare || isEnding && s.state == sendOpen {
		s.state.to(sendClosed)
	}
}

// dispatchLocked hands what may go out now to the stream, or asks for one.
func (c *Call) dispatchLocked(a *after) {
	s := &c.send
	switch {
	case s.state == sendIdle || s.handing > 0:
		return
	case c.stream == nil:
		if c.open == noStream {
			c.askLocked(a)
		}
		return
	case !c.isServer():
		c.caller.replay.keep(&s.queued, s.turn())
	}
	a.stream, a.out = c.stream, s.queued
	s.queued = frame.Outgoing{}
}

// handOverLocked is dispatchLocked for what earlier batches have left queued. Their StartBatch has
// returned, so another one may run at the same time: handing keeps it from overtaking this one.
func (c *Call) handOverLocked(a *after) {
	c.dispatchLocked(a)
	if a.out != (frame.Outgoing{}) && !a.out.End { // nothing follows an end
		c.send.handing++
		a.handing = true
	}
}

// handedOver gives the stream what was accepted while it was being handed something.
func (c *Call) handedOver() {
	var a after
	c.mu.Lock()
	c.send.handing--
	if c.phase != over {
		c.handOverLocked(&a)
	}
	c.mu.Unlock()
	a.perform(c)
}

// onSent is an event of the stream.
func (c *Call) onSent(t *Attempt, sent frame.Sent, lane *cq.Lane) {
	var a after
	c.mu.Lock()
	if t == c.attemptLocked() {
		c.sentLocked(sent, &a, lane)
	}
	c.mu.Unlock()
	a.perform(c)
}

// settleBuffered completes the n-th message, which has BufferHint, if the write
// buffer has room for it; else it completes when there is room. It comes after
// Stream.Send, because the next message must not overtake this one.
func (c *Call) settleBuffered(n uint64, lane *cq.Lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.slotLocked(SendMessageOp) == nil || c.send.issued != n: // framed already, or failed
	case c.isBufferedLocked():
		c.settleLocked(SendMessageOp, true, lane)
	default:
		c.send.hinted = true
	}
}

// sentLocked completes the sends that the stream has accepted. Reports may be
// late: counts never go back.
func (c *Call) sentLocked(sent frame.Sent, a *after, lane *cq.Lane) {
	s := &c.send
	s.sent.Headers = s.sent.Headers || sent.Headers || sent.End // Trailers-Only counts as headers
	s.sent.Messages = max(s.sent.Messages, sent.Messages)
	s.sent.Bytes = max(s.sent.Bytes, sent.Bytes)
	s.sent.End = s.sent.End || sent.End
	if s.sent.Headers {
		c.settleLocked(SendInitialMetadataOp, true, lane)
	}
	s.repeating = s.repeating && s.sent.Messages < s.issued
	switch {
	case s.sent.Messages >= s.issued || s.hinted && c.isBufferedLocked():
		s.hinted = false
		c.settleLocked(SendMessageOp, true, lane)
	case s.backlog != nil && s.sent.Messages >= s.turn():
		s.advance()
		c.handOverLocked(a)
	}
	if !s.sent.End {
		return
	}
	c.settleLocked(SendCloseOp, true, lane)
	c.settleLocked(SendMessageOp, false, lane) // of a batch that raced with the end, and lost
	if c.isServer() && c.phase == running {
		c.settleLocked(SendStatusOp, true, lane)
		c.concludeLocked(&verdict{how: byStatus, origin: cqrpc.OriginLocal}, a, lane)
	}
}

// endSendsLocked fails what the stream will not send any more. On a client that has
// received the status, OnClosed will still tell what was sent.
func (c *Call) endSendsLocked(lane *cq.Lane) {
	s := &c.send
	s.drop()
	if s.state != sendDead {
		s.state.to(sendDead)
	}
	if c.isServer() || c.end.how != byStatus {
		c.failSendsLocked(^opSet(0), false, lane)
	}
}

// failSendsLocked completes outstanding sends of a call that is over. A
// half-close that came too late to matter has done what it should.
func (c *Call) failSendsLocked(set opSet, isLate bool, lane *cq.Lane) {
	for k := SendInitialMetadataOp; k <= SendStatusOp; k++ {
		if set.has(k) {
			c.settleLocked(k, k == SendCloseOp && isLate, lane)
		}
	}
}
