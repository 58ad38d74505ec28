package call

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// sendSide is this side's half of the stream. Its messages are counted from the first of the call
// on, by each stream anew:
//
//	accepted ──outbox──► given to the stream ──► sent: framed, and reported by OnSent
//
// Guarded by Call.mu.
type sendSide struct {
	outbox   outbox
	accepted uint64     // messages
	bytes    uint64     // of those, prefixes included
	sent     frame.Sent // by the current stream
	state    sendState
	// isHinted: the outstanding message has BufferHint and waits for room in the write buffer.
	isHinted bool
	// isHandingOver: a goroutine has taken sends of earlier batches out of the outbox and not
	// called Stream.Send yet. What is accepted meanwhile stays in the outbox.
	isHandingOver bool
}

// writeBuffer is how many bytes of messages may wait to be framed while those
// with BufferHint complete at once (C-core grpc.http2.write_buffer_size).
const writeBuffer = 64 << 10

// messageRoom is how many bytes a waiting message counts beside its own. A small one that is
// kept for a retry, or waits alone, holds ten times its bytes: a pooled buffer has at least 256.
const messageRoom = 128

// given is how many messages the current stream was given.
func (s *sendSide) given() uint64 { return s.accepted - s.outbox.count() }

// isBuffered reports whether the stream was given all messages, and those that are not
// framed yet fit the write buffer.
func (s *sendSide) isBuffered() bool {
	if s.given() < s.accepted || s.isHandingOver {
		return false
	}
	return s.bytes-s.sent.Bytes+messageRoom*(s.accepted-s.sent.Messages) <= writeBuffer
}

// isBufferedLocked reports whether a message with BufferHint may complete. A client's may
// not before the headers are framed: the application would send a second message, and then
// the call could not be repeated any more, although no server has seen any of it.
func (c *Call) isBufferedLocked() bool {
	return (c.isServer() || c.send.sent.Headers) && c.send.isBuffered()
}

// accept takes a message.
func (s *sendSide) accept(m packed) {
	s.outbox.add(m)
	s.accepted++
	s.bytes += uint64(frame.PrefixLen + m.body.Len())
}

// isEnding reports whether the end of this half was accepted.
func (s *sendSide) isEnding() bool { return s.state >= sendClosed || s.outbox.hasEnd() }

// isSendingLocked reports whether a message is with the stream: what follows it
// may have to wait for flow control.
func (c *Call) isSendingLocked() bool {
	return c.send.sent.Messages < c.send.given()
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
		s.accept(packed{p.out.Message, p.out.Prefix})
		if c.caller != nil {
			c.caller.replay.retry.charge(s)
		}
		if p.passing != nil {
			p.passing.passage.sent.add(p.passing.size)
		}
	}
	if p.out.End {
		s.outbox.addEnd(p.out.Trailers)
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
	c.send.outbox.next.Headers = p.out.Headers
	if c.isServer() {
		return
	}
	c.caller.replay.headers, c.caller.replay.isTimed = p.out.Headers.Ref(), c.clock != nil
	c.waitForReady = p.waitForReady(c.waitForReady)
}

// endSendingLocked notes that the end of this half is on its way out.
func (c *Call) endSendingLocked(p *parcel) {
	s := &c.send
	if p.trailersOnly || s.outbox.hasEnd() && s.state == sendOpen {
		s.state.to(sendClosed)
	}
}

// dispatchLocked gives the stream what may go out now, or asks for a stream.
func (c *Call) dispatchLocked(a *after) {
	s := &c.send
	switch {
	case s.state == sendIdle || s.isHandingOver:
		return
	case c.stream == nil:
		if c.open == noStream {
			c.askLocked(a)
		}
		return
	case !c.isServer():
		c.caller.replay.keep(&s.outbox.next, s.given()+1)
	}
	a.stream, a.out = c.stream, s.outbox.takeNext()
}

// handOverLocked is dispatchLocked for what earlier batches have left in the outbox. Their StartBatch
// has returned, so another one may run at the same time: isHandingOver keeps it from overtaking this
// one.
func (c *Call) handOverLocked(a *after) {
	c.dispatchLocked(a)
	if a.out != (frame.Outgoing{}) && !a.out.End { // nothing follows an end
		c.send.isHandingOver, a.isHandingOver = true, true
	}
}

// handedOver gives the stream what was accepted while it was being handed something.
func (c *Call) handedOver() {
	var a after
	c.mu.Lock()
	c.send.isHandingOver = false
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
	case c.slotLocked(SendMessageOp) == nil || c.send.accepted != n: // framed already, or failed
	case c.isBufferedLocked():
		c.settleLocked(SendMessageOp, true, lane)
	default:
		c.send.isHinted = true
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
	if s.sent.Messages >= s.accepted {
		s.outbox.backlog = nil
	}
	switch {
	case s.sent.Messages >= s.accepted || s.isHinted && c.isBufferedLocked():
		s.isHinted = false
		c.settleLocked(SendMessageOp, true, lane)
	case s.outbox.isWaiting() && s.outbox.next.Message == nil && s.sent.Messages >= s.given():
		s.outbox.advance()
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
	s.outbox.drop()
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
