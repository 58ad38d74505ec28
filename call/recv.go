package call

import (
	"errors"
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
	"github.com/cqrpc/cqrpc/internal/quota"
)

// recvSide is the state of the peer's half. Guarded by Call.mu.
type recvSide struct {
	inbox      inbox
	state      recvState
	oneMessage bool // the peer's side of the method is not a stream; immutable
	taken      bool // a message was given to RecvMessage
	isShut     bool // what comes is dropped: nobody will take it
	stopped    bool // isShut by StopReceiving: the call goes on, and the credit of what comes is given back
	answered   bool // client: response headers have arrived
	isLean     bool // the last message that was taken was small: its value has little to reclaim

	// Credit is owed for every byte that was received and not taken by the
	// application. A message that somebody waits for is as good as taken: its
	// credit is returned early, all of it as soon as its length is known, so that
	// the window neither stops it nor makes it wait for round trips.
	unread int // bytes received, of messages not yet taken
	early  int // bytes of the first message, received or not, whose credit was returned early
}

// leanSize is the size of a message, in bytes, below which what it is unmarshalled into is not worth
// reclaiming.
const leanSize = 4 << 10

// earlyCredit returns the credit that is due because somebody waits for a message.
func (r *recvSide) earlyCredit() int {
	n := r.unread
	if !r.inbox.ready() {
		_, n = r.inbox.partial() // the first message, and only that
	}
	n = max(n-r.early, 0)
	r.early += n
	return n
}

// creditFor notes that n received bytes are taken, and returns the credit for them
// that was not returned early.
func (r *recvSide) creditFor(n int) int {
	early := min(n, r.early)
	r.early -= early
	return n - early
}

// push takes one DATA payload, which may be nil.
func (r *recvSide) push(b *mem.Buffer, limit int, to *quota.Account) error {
	if r.isShut {
		b.Free()
		return nil
	}
	return r.inbox.push(b, limit, to)
}

// shut drops everything, now and later.
func (r *recvSide) shut() {
	r.isShut = true
	r.inbox.drop()
}

// recvLocked starts the receive operations.
func (c *Call) recvLocked(set opSet, a *after, lane *cq.Lane) {
	if set.has(RecvInitialMetadataOp) && (c.recv.state != recvHeaders || c.phase == over) {
		c.settleLocked(RecvInitialMetadataOp, c.hadStream, lane)
	}
	if set.has(RecvMessageOp) {
		c.deliverLocked(a, lane)
	}
	if c.phase == over {
		c.settleLocked(RecvStatusOp, true, lane)
		c.settleLocked(RecvCloseOp, true, lane)
	}
}

// deliverLocked completes RecvMessage if there is a message or will be none.
func (c *Call) deliverLocked(a *after, lane *cq.Lane) {
	b, r := c.slotLocked(RecvMessageOp), &c.recv
	if b == nil {
		return
	}
	if m, ok := c.popLocked(); ok {
		size := frame.PrefixLen + m.Body.Len()
		b.body, b.isCompressed, b.credit = m.Body, m.Compressed, r.creditFor(size)
		if c.passage != nil {
			b.isPassing = true
			c.passage.undecoded++
		}
		r.unread -= size
		r.taken, r.isLean = true, size < leanSize && !m.Compressed
		c.settleLocked(RecvMessageOp, true, lane)
		c.checkCountLocked(a, lane)
		switch {
		case c.phase == over:
			c.dropRestLocked(a)
		case c.phase == draining && !r.inbox.ready():
			c.overLocked(a, lane)
		}
		return
	}
	if r.state.isOver() || r.stopped {
		c.settleLocked(RecvMessageOp, r.state == recvEnded && !r.stopped, lane)
		return
	}
	if n := r.earlyCredit(); n > 0 {
		a.stream, a.consume = c.stream, a.consume+n
	}
}

// popLocked takes the next message.
func (c *Call) popLocked() (frame.Message, bool) {
	if c.holdsBackLocked() {
		return frame.Message{}, false
	}
	return c.recv.inbox.pop()
}

// holdsBackLocked reports whether what has come is kept from the application. Where a method has one
// request, that waits for the half-close: until then a second message may come, and then the first
// is no request (docs/decisions/009). Nor is it one if the call ends before.
func (c *Call) holdsBackLocked() bool {
	return c.isServer() && c.recv.oneMessage && c.recv.state != recvEnded
}

// checkCountLocked ends the call if the peer sends a second message where the method
// is not a stream on its side.
func (c *Call) checkCountLocked(a *after, lane *cq.Lane) {
	r := &c.recv
	if r.oneMessage && (r.taken && r.inbox.ready() || r.inbox.several()) {
		c.concludeLocked(&verdict{
			how: byAbandon, origin: cqrpc.OriginLocal, status: cardinality("more than one message where the method has one"),
		}, a, lane)
	}
}

func cardinality(what string) cqrpc.Status {
	return cqrpc.Status{Code: cqrpc.CodeUnimplemented, Message: what}
}

// StopReceiving drops the messages that have arrived and those that will, so
// that they hold back neither the peer nor an OK status. RecvMessage then
// completes false. If a RecvMessage is outstanding, it does nothing and returns
// false.
func (c *Call) StopReceiving() bool {
	var lane cq.Lane
	var a after
	c.mu.Lock()
	isWanted := c.busy.has(RecvMessageOp)
	if !isWanted && !c.recv.stopped {
		c.recv.stopped = true
		c.discardLocked(&a)
		if c.phase == draining {
			c.overLocked(&a, &lane)
		}
	}
	c.mu.Unlock()
	a.perform(c)
	lane.Flush()
	return !isWanted
}

// place implements Attempt.Place.
func (c *Call) place(t *Attempt, n int) *mem.Buffer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t != c.attemptLocked() || c.recv.inbox.messages == nil {
		return nil
	}
	return c.recv.inbox.messages.Place(n)
}

// onData is an event of the stream.
func (c *Call) onData(t *Attempt, b *mem.Buffer, end bool, lane *cq.Lane) {
	var a after
	c.mu.Lock()
	if t == c.attemptLocked() {
		c.dataLocked(b, end, &a, lane)
	} else {
		b.Free()
	}
	c.mu.Unlock()
	a.perform(c)
}

func (c *Call) dataLocked(b *mem.Buffer, end bool, a *after, lane *cq.Lane) {
	r := &c.recv
	n := 0
	if b != nil {
		n = b.Len()
	}
	switch {
	case r.state.isOver() || c.phase == over:
		b.Free()
		a.stream, a.consume = c.stream, r.creditFor(n)
		return
	case c.end.page != nil:
		c.pageDataLocked(b, end, a, lane)
		return
	case r.state == recvHeaders:
		b.Free()
		c.violationLocked("DATA before response headers", a, lane)
		return
	}
	r.unread += n
	err := r.push(b, c.shared().maxRecv(), c.account())
	if r.stopped {
		a.stream, a.consume = c.stream, a.consume+r.unread
		r.unread = 0
	}
	if err == nil && end {
		c.endOfDataLocked(a, lane)
	}
	c.checkCountLocked(a, lane)
	c.deliverLocked(a, lane)
	switch {
	case err != nil:
		c.concludeLocked(c.verdictOfMessage(err), a, lane)
	case !r.inbox.charge():
		c.concludeLocked(&verdict{how: byAbandon, origin: cqrpc.OriginLocal, status: statusNoRoom}, a, lane)
	}
}

// statusNoRoom ends the call that goes beyond its quota.
var statusNoRoom = cqrpc.Status{
	Code: cqrpc.CodeResourceExhausted, Message: "Too many bytes in messages that this server has not read",
}

// endOfDataLocked handles END_STREAM without trailers: a client's half-close,
// a server's mistake.
func (c *Call) endOfDataLocked(a *after, lane *cq.Lane) {
	switch {
	case c.recv.inbox.mid():
		c.violationLocked(c.cutMessage(), a, lane)
	case c.isServer():
		c.recv.state.to(recvEnded)
	default:
		c.violationLocked("stream ended without trailers, so without a status", a, lane)
	}
}

// cutMessage describes a stream's end inside a message.
func (c *Call) cutMessage() string {
	got, want := c.recv.inbox.partial()
	return fmt.Sprintf("stream ended inside a message: %d of %d bytes arrived", got, want)
}

// violationLocked ends the call because the peer broke the protocol.
func (c *Call) violationLocked(what string, a *after, lane *cq.Lane) {
	c.failedLocked(&verdict{how: byViolation, origin: cqrpc.OriginLocal, status: cqrpc.Status{
		Code: cqrpc.CodeInternal, Message: what,
	}}, a, lane)
}

// verdictOfMessage is the verdict on a call whose message prefix is err.
func (c *Call) verdictOfMessage(err error) *verdict {
	st := cqrpc.Status{Code: cqrpc.CodeInternal, Message: err.Error()}
	if e, ok := errors.AsType[*frame.MessageError](err); ok && e.Kind == frame.TooLarge {
		st.Code = cqrpc.CodeResourceExhausted
		st.Message = fmt.Sprintf("%sReceived message larger than max (%d vs. %d)", c.prefix(), e.Length, e.Limit)
	}
	return &verdict{how: byViolation, origin: cqrpc.OriginLocal, status: st, cause: err}
}

// onHeaders is an event of the stream.
func (c *Call) onHeaders(t *Attempt, h *frame.Headers, lane *cq.Lane) {
	var f *fields
	if !c.isServer() && h.Err == nil {
		f = readResponse(h)
	}
	var a after
	c.mu.Lock()
	switch {
	case t != c.attemptLocked() || c.phase != running || c.recv.state.isOver():
	case h.Err != nil:
		c.failedLocked(verdictOfBlock(h.Err), &a, lane)
	case c.isServer():
		c.requestTrailersLocked(h.End, &a, lane)
	default:
		c.responseLocked(f, h.End, &a, lane)
	}
	c.mu.Unlock()
	a.perform(c)
}

// requestTrailersLocked ends the request: gRPC has no request trailers, but HTTP/2 has.
func (c *Call) requestTrailersLocked(end bool, a *after, lane *cq.Lane) {
	if !end {
		c.violationLocked("second header block in a request", a, lane)
		return
	}
	c.endOfDataLocked(a, lane)
	c.deliverLocked(a, lane)
}

// responseLocked takes one header block of a response.
func (c *Call) responseLocked(f *fields, end bool, a *after, lane *cq.Lane) {
	r := &c.recv
	switch {
	case c.end.page != nil && end:
		c.endPageLocked(byStatus, a, lane)
	case c.end.page != nil:
		c.endPageLocked(byViolation, a, lane)
	case end:
		c.trailersLocked(f, a, lane)
	case r.state == recvMessages:
		c.violationLocked("second header block in a response, without END_STREAM", a, lane)
	case f.isInformational():
	default:
		if v, ok := f.checkHTTP(); !ok {
			c.beginPageLocked(&v)
			return
		}
		comp, v, ok := f.checkResponse(c.shared().Compressors)
		if !ok {
			c.failedLocked(&v, a, lane)
			return
		}
		r.state.to(recvMessages)
		c.caller.initial, r.answered = f.md, true
		c.setCodingLocked(c.coding.sending(), comp)
		c.caller.replay.commit()
		c.settleLocked(RecvInitialMetadataOp, true, lane)
	}
}

// trailersLocked takes the status, alone or after messages.
func (c *Call) trailersLocked(f *fields, a *after, lane *cq.Lane) {
	r := &c.recv
	v := f.verdict(r.state == recvHeaders)
	if v.status.Code == cqrpc.CodeOK && r.inbox.mid() {
		v.status = cqrpc.Status{Code: cqrpc.CodeInternal, Message: c.cutMessage()}
		v.origin = cqrpc.OriginLocal
	}
	if v.status.Code == cqrpc.CodeOK && r.oneMessage && !r.taken && !r.inbox.ready() && !r.stopped {
		v.status, v.origin = cardinality("OK without the message that the method has"), cqrpc.OriginLocal
	}
	if v.status.Code == cqrpc.CodeOK {
		c.shared().tokens.succeed()
	} else if c.retriesLocked(&v, a) {
		return
	}
	c.settleLocked(RecvInitialMetadataOp, true, lane)
	if r.inbox.mid() {
		r.state.to(recvDead)
	} else {
		r.state.to(recvEnded)
	}
	c.deliverLocked(a, lane)
	c.concludeLocked(&v, a, lane)
}

// onClosed is the last event of the stream.
func (c *Call) onClosed(t *Attempt, e *frame.CloseError, sent frame.Sent, lane *cq.Lane) {
	if e != nil && e.Kind == frame.ResetByPeer && c.isGivenUp() {
		c.stream.Excuse() // a server's stream is always the same
	}
	var a after
	c.mu.Lock()
	if t == c.attemptLocked() {
		c.streamClosedLocked(e, sent, &a, lane)
	}
	c.mu.Unlock()
	a.perform(c)
}

func (c *Call) streamClosedLocked(e *frame.CloseError, sent frame.Sent, a *after, lane *cq.Lane) {
	c.sentLocked(sent, a, lane)
	switch {
	case c.phase != running:
		c.failSendsLocked(^opSet(0), true, lane)
	case c.end.page != nil:
		c.endPageLocked(byStream, a, lane)
	case e != nil && c.recv.state == recvHeaders && c.caller.replay.allows(e):
		c.repeatLocked()
		c.askLocked(a)
	default:
		c.failedLocked(c.verdictOfClose(e), a, lane)
	}
}
