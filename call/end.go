package call

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
)

// ending is how a call came to its end.
type ending uint8

const (
	// byStatus: the server's status crossed the wire: a client has received
	// trailers, or a server's were framed. The stream closes by itself.
	byStatus ending = iota + 1
	// byStream: there is no stream, or it is gone.
	byStream
	// byViolation: the peer broke a rule of gRPC; we reset the stream.
	byViolation
	// byAbandon: this side gave up: cancel, deadline, a message that cannot be sent or decoded. We
	// reset the stream, and drop what is still unread.
	byAbandon
)

// isOurs reports whether the stream has to be told.
func (e ending) isOurs() bool { return e == byViolation || e == byAbandon }

// undecided is the verdict on a call that runs.
var undecided verdict

// keep returns a copy of v for the call. The verdict of most calls, a plain OK, is shared.
func (v *verdict) keep() *verdict {
	if v.status.Code == cqrpc.CodeOK && v.how == byStatus && v.status.Message == "" && len(v.status.Details) == 0 &&
		len(v.trailing) == 0 && v.cause == nil {
		return &plainOK[v.origin]
	}
	w := *v
	return &w
}

// plainOK are the verdicts on calls that ended with OK and nothing more.
var plainOK = [...]verdict{
	cqrpc.OriginLocal:     {how: byStatus, origin: cqrpc.OriginLocal},
	cqrpc.OriginRemote:    {how: byStatus, origin: cqrpc.OriginRemote},
	cqrpc.OriginTransport: {how: byStatus, origin: cqrpc.OriginTransport},
}

// verdict is why a call ended. The first one stays, see concludeLocked.
type verdict struct {
	status     cqrpc.Status
	trailing   cqrpc.Metadata
	cause      error
	page       *page // is still read, and then the call ends so; nil: the verdict stands
	how        ending
	origin     cqrpc.Origin
	isDecoding bool // found while a message was harvested
	isRefusal  bool // a filter's, of a message
}

// conclude ends the call on a goroutine without a lane.
func (c *Call) conclude(v verdict) {
	var lane cq.Lane
	var a after
	c.mu.Lock()
	c.concludeLocked(&v, &a, &lane)
	c.mu.Unlock()
	a.perform(c)
	lane.Flush()
}

// concludeLocked is the only way to end a call. The first verdict stays, with one exception: an OK
// that the application has not been told yet is replaced when this side gives up, because then not
// all of the messages that it stands for will be read. After a message that cannot be decoded nothing
// is read, whatever the verdict.
func (c *Call) concludeLocked(v *verdict, a *after, lane *cq.Lane) {
	switch {
	case c.phase == running:
		c.end = v.keep()
		if v.how == byStatus && v.status.Code == cqrpc.CodeOK && !c.isServer() && c.recv.inbox.ready() {
			c.phase.to(draining)
			return
		}
	case c.phase == draining && v.how == byAbandon:
		c.end = v.keep()
	case c.phase == over && v.isDecoding:
		if c.end.how == byStatus && c.end.status.Code == cqrpc.CodeOK && !c.statusTaken {
			c.end = v.keep()
		}
		c.discardLocked(a)
		return
	default:
		return
	}
	c.overLocked(a, lane)
}

// overLocked ends everything that is outstanding.
func (c *Call) overLocked(a *after, lane *cq.Lane) {
	c.phase.to(over)
	c.disarmLocked()
	if c.caller != nil {
		a.unwatch, c.caller.watch = c.caller.watch.stop, watching{}
		c.caller.replay.commit()
		c.forgetLocked(a)
	}
	if c.end.how.isOurs() {
		c.resetLocked(a)
	}
	c.endSendsLocked(lane)
	c.endReceivesLocked(a, lane)
	if c.watcher != nil {
		lane.Add(c.watcher, cq.Completion{OK: c.end.how == byStatus})
		c.watcher = nil
	}
	c.partLocked(a)
	if c.passage != nil && c.passage.isDueLocked(c) {
		a.ended = c.passage
	}
}

// resetLocked tells the stream that this side ends the call: a server by trailers, if
// they can go out at once or a filter has refused a message, whose status then follows
// what is being sent; else by RST_STREAM.
func (c *Call) resetLocked(a *after) {
	switch {
	case c.stream == nil:
		return
	case c.isServer() && c.send.state <= sendOpen && (c.end.isRefusal || !c.isSendingLocked()):
		a.trailers, a.trailersOnly = &c.end.status, c.send.state == sendIdle
	default:
		a.reset, a.code = true, resetCode(c.end.status.Code)
	}
	a.stream = c.stream
}

// endReceivesLocked completes what waits for the peer.
func (c *Call) endReceivesLocked(a *after, lane *cq.Lane) {
	r := &c.recv
	// A server that has answered, or tried to, reads no more.
	if c.end.how == byAbandon || c.used.has(SendStatusOp) || c.closed {
		c.discardLocked(a)
	}
	if !r.state.isOver() {
		r.state.to(recvDead)
	}
	c.settleLocked(RecvInitialMetadataOp, c.hadStream, lane)
	c.deliverLocked(a, lane)
	c.dropRestLocked(a)
	c.settleLocked(RecvStatusOp, true, lane)
	c.settleLocked(RecvCloseOp, true, lane)
}

// dropRestLocked frees what came before the end of the call and can never be
// taken: a part of a message, the one message of a request without its half-close, or
// what followed that of a response.
func (c *Call) dropRestLocked(a *after) {
	r := &c.recv
	if !r.inbox.empty() && (!r.inbox.ready() || c.holdsBackLocked() || r.oneMessage && r.taken) {
		c.discardLocked(a)
	}
}

// discardLocked frees what was received and not taken. If that drops whole
// messages, the sequence no longer ends in order.
func (c *Call) discardLocked(a *after) {
	r := &c.recv
	if r.inbox.ready() && r.state == recvEnded {
		r.state.to(recvDead)
	}
	r.shut()
	if c.stream != nil {
		a.stream = c.stream
		a.consume += r.creditFor(r.unread)
	}
	r.unread = 0
}
