package call

import (
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// sendSide is the state of this side's half. Guarded by Call.mu.
type sendSide struct {
	state  sendState
	queued frame.Outgoing // accepted, not handed to a stream yet
	issued uint64         // messages accepted
	bytes  uint64         // of those, prefixes included
	sent   frame.Sent     // what the current stream has reported
	hinted bool           // the outstanding message completes when it is buffered
	// handing counts the goroutines that have taken sends of earlier batches and
	// not called Stream.Send yet. Meanwhile what is accepted stays queued.
	handing int
	// repeating: the first message goes out on another stream, although its
	// operation has completed. Meanwhile held is the second message, and the end
	// after it; nil nearly always.
	repeating bool
	held      *frame.Outgoing
}

// writeBuffer is how many bytes of messages may wait to be framed while those
// with BufferHint complete at once (C-core grpc.http2.write_buffer_size).
const writeBuffer = 64 << 10

// isBuffered reports whether the stream has all messages, and what is not
// framed of them fits the write buffer.
func (s *sendSide) isBuffered() bool {
	return s.queued.Message == nil && s.held == nil && s.handing == 0 && s.bytes-s.sent.Bytes <= writeBuffer
}

// accept queues a message.
func (s *sendSide) accept(o *frame.Outgoing) {
	if s.repeating && s.sent.Messages == 0 {
		s.held = &frame.Outgoing{Message: o.Message, Prefix: o.Prefix}
	} else {
		s.queued.Message, s.queued.Prefix = o.Message, o.Prefix
	}
	s.issued++
	s.bytes += uint64(frame.PrefixLen + o.Message.Len())
}

// acceptEnd queues the end of this half, behind what is held.
func (s *sendSide) acceptEnd(o *frame.Outgoing) {
	if s.held != nil {
		s.held.End = true
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
	if s.held != nil {
		s.held.Message.Free()
		s.held = nil
	}
}

// isSendingLocked reports whether a message is with the stream: what follows it
// may have to wait for flow control.
func (c *Call) isSendingLocked() bool {
	return c.send.sent.Messages < c.send.issued && c.send.queued.Message == nil
}

// parcel is what the send operations of a batch become on the goroutine that
// starts it.
type parcel struct {
	set      opSet
	reserved opSet // set, and what must not be started meanwhile
	fresh    opSet // kinds not started before

	out       frame.Outgoing
	timeoutAt int
	flags     Flags         // of SendInitialMetadata
	hinted    bool          // SendMessage has BufferHint
	spent     *mem.Buffer   // the application's buffer, if out holds another
	borrowed  bool          // out.Message is the application's until the batch is accepted
	excess    *cqrpc.Status // ends the call: a message or metadata over its limit
	stream    Stream        // a server's

	bare    bool // the status goes out as Trailers-Only
	implied bool // initial metadata goes out without being asked for
}

func (p *parcel) waitForReady(byDefault bool) bool {
	if p.flags&WaitForReadySet != 0 || p.flags&WaitForReady != 0 {
		return p.flags&WaitForReady != 0
	}
	return byDefault
}

// planResponseLocked decides in which form a status goes out. Until the batch
// has started, initial metadata must not come in between.
func (c *Call) planResponseLocked(p *parcel, ops []Op) {
	if c.used.has(SendInitialMetadataOp) {
		return
	}
	hasMessage := p.set.has(SendMessageOp) || c.busy.has(SendMessageOp)
	hasMetadata := false
	for i := range ops {
		hasMetadata = hasMetadata || ops[i].kind == SendInitialMetadataOp && len(ops[i].md) > 0
	}
	p.bare = !hasMessage && !hasMetadata
	p.implied = !p.bare && !p.set.has(SendInitialMetadataOp)
	p.reserved |= 1 << SendInitialMetadataOp
	if p.bare {
		p.reserved |= 1 << SendMessageOp
	}
}

// pack encodes the sends. On error nothing of the caller's was taken.
func (c *Call) pack(p *parcel, ops []Op) error {
	for i := range ops {
		o := &ops[i]
		switch o.kind {
		case SendInitialMetadataOp:
			p.flags = o.flags
			if !p.bare {
				c.packHeaders(p, o.md)
			}
		case SendMessageOp:
			if err := c.packMessage(p, o); err != nil {
				p.discard()
				return &BatchError{Op: o.kind, Reason: ErrInvalidMessage, Cause: err}
			}
		case SendCloseOp:
			p.out.End = true
		case SendStatusOp:
			p.out.Trailers, p.out.End = c.trailersFor(p.stream, &o.status, o.md, p.bare), true
		}
	}
	if p.implied {
		c.packHeaders(p, nil)
	}
	return nil
}

func (c *Call) packHeaders(p *parcel, md cqrpc.Metadata) {
	if !c.isServer() { // Bind knows what the peer accepts
		p.out.Headers, p.timeoutAt = c.requestList(md)
		return
	}
	p.out.Headers = c.responseList(md)
	if n, limit := p.out.Headers.Size(), p.stream.MaxHeaderList(); uint64(n) > uint64(limit) {
		st := tooMuchMetadata(n, limit)
		p.excess = &st
	}
}

// packMessage marshals, checks and compresses one message.
func (c *Call) packMessage(p *parcel, o *Op) error {
	body := o.buffer
	p.borrowed, p.hinted = !o.isValue, o.flags&BufferHint != 0
	if o.isValue {
		var err error
		if body, err = c.marshal(o.value); err != nil {
			return err
		}
	}
	p.out.Message = body
	if body.Len() > c.cfg.MaxSendMessage {
		p.excess = &cqrpc.Status{
			Code:    cqrpc.CodeResourceExhausted,
			Message: fmt.Sprintf("Sent message larger than max (%d vs. %d)", body.Len(), c.cfg.MaxSendMessage),
		}
		return nil
	}
	compressed := false
	if c.compressor != nil && o.flags&NoCompress == 0 && body.Len() > 0 {
		small, err := c.compress(body)
		if err != nil {
			return err
		}
		if compressed = small != nil; compressed {
			p.out.Message, p.spent = small, body
		}
	}
	frame.PutPrefix(&p.out.Prefix, compressed, p.out.Message.Len())
	return nil
}

func (c *Call) marshal(v any) (*mem.Buffer, error) {
	b := mem.Get(max(c.cfg.Codec.Size(v), 0))
	data, err := c.cfg.Codec.Append(b.Bytes()[:0], v)
	if err != nil {
		b.Free()
		return nil, err
	}
	b.Adopt(data)
	return b, nil
}

// compress returns nil if the message does not get smaller.
func (c *Call) compress(body *mem.Buffer) (*mem.Buffer, error) {
	b := mem.Get(body.Len())
	data, err := c.compressor.Compress(b.Bytes()[:0], body.Bytes())
	if err != nil {
		b.Free()
		return nil, fmt.Errorf("compress with %s: %w", c.compressor.Name(), err)
	}
	b.Adopt(data)
	if b.Len() >= body.Len() {
		b.Free()
		return nil, nil
	}
	return b, nil
}

// discard frees what pack made; the application keeps its buffer.
func (p *parcel) discard() {
	switch {
	case !p.borrowed:
		p.out.Message.Free()
		p.spent.Free()
	case p.spent != nil:
		p.out.Message.Free()
	}
	p.out.Headers.Free()
	p.out.Trailers.Free()
	p.out = frame.Outgoing{}
}

// take makes everything the call's own: the batch is accepted.
func (p *parcel) take() {
	p.spent.Free()
	p.spent, p.borrowed = nil, false
}

// sendLocked starts the send operations, in the order they go out.
func (c *Call) sendLocked(p *parcel, a *after, lane *cq.Lane) {
	p.take()
	if p.excess != nil && c.phase == running {
		c.concludeLocked(&verdict{how: byAbandon, origin: cqrpc.OriginLocal, status: *p.excess}, a, lane)
	}
	if c.phase != running {
		p.discard()
		c.failSendsLocked(p.set, true, lane)
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
	}
	if p.out.End {
		s.acceptEnd(&p.out)
	}
	c.closeLocked(p)
	c.releaseLocked(a)
}

// closeLocked notes that the end of this half is on its way out.
func (c *Call) closeLocked(p *parcel) {
	s := &c.send
	isEnding := s.queued.End || s.held != nil && s.held.End
	if p.bare || isEnding && s.state == sendOpen {
		s.state.to(sendClosed)
	}
}

// releaseLocked hands what may go out now to the stream, or asks for one.
func (c *Call) releaseLocked(a *after) {
	s := &c.send
	switch {
	case s.state == sendIdle || s.handing > 0:
		return
	case c.stream == nil:
		if !c.asked {
			c.asked, a.open = true, true
		}
		return
	case !c.isServer():
		c.replay.keep(&s.queued)
	}
	a.stream, a.out = c.stream, s.queued
	s.queued = frame.Outgoing{}
}

// handOverLocked is releaseLocked for what earlier batches left behind. Their
// StartBatch has returned: without handing, the next could overtake on its way
// to the stream.
func (c *Call) handOverLocked(a *after) {
	c.releaseLocked(a)
	if a.out != (frame.Outgoing{}) && !a.out.End { // nothing follows an end
		c.send.handing++
		a.handing = true
	}
}

// handedOver gives the stream what was accepted while Send was on its way.
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
	if t == c.attempt {
		c.sentLocked(sent, &a, lane)
	}
	c.mu.Unlock()
	a.perform(c)
}

// settleBuffered completes the n-th message, which has BufferHint and was given
// to the stream, if the write buffer has room for it; else it completes when
// there is. Not before Stream.Send: the next message must not overtake it.
func (c *Call) settleBuffered(n uint64, lane *cq.Lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.slots[SendMessageOp] == nil || c.send.issued != n: // framed already, or failed
	case c.send.isBuffered():
		c.settleLocked(SendMessageOp, true, lane)
	default:
		c.send.hinted = true
	}
}

// sentLocked completes the sends that the stream has accepted. Reports may be
// late: counts never go back.
func (c *Call) sentLocked(sent frame.Sent, a *after, lane *cq.Lane) {
	s := &c.send
	s.sent.Headers = s.sent.Headers || sent.Headers || sent.End // Trailers-Only is headers too
	s.sent.Messages = max(s.sent.Messages, sent.Messages)
	s.sent.Bytes = max(s.sent.Bytes, sent.Bytes)
	s.sent.End = s.sent.End || sent.End
	if s.sent.Headers {
		c.settleLocked(SendInitialMetadataOp, true, lane)
	}
	switch {
	case s.sent.Messages >= s.issued || s.hinted && s.isBuffered():
		s.hinted = false
		c.settleLocked(SendMessageOp, true, lane)
	case s.held != nil && s.sent.Messages > 0:
		s.queued, s.held = *s.held, nil
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

// endSendsLocked fails what the stream will not send any more. After the
// server's status has come, the stream still tells what it had sent: OnClosed.
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
