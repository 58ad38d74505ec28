package call

import (
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// replay is what a client call keeps of its first sends while they may have to
// be repeated on another stream: until the server answers, or a second message
// is sent (gRPC retry design, Transparent Retries).
type replay struct {
	headers   *frame.HeaderList
	message   *mem.Buffer
	prefix    [frame.PrefixLen]byte
	isTimed   bool // grpc-timeout is the first field of headers' own
	committed bool // nothing is kept any more
	refused   bool // the one retry after a refusal by the server was used up
}

// keep holds on to what is about to be sent.
func (r *replay) keep(o *frame.Outgoing) {
	switch {
	case r.committed || o.Message == nil || o.Message == r.message:
	case r.message == nil:
		r.message, r.prefix = o.Message.Ref(), o.Prefix
	default:
		r.commit()
	}
}

// commit gives up repeating.
func (r *replay) commit() {
	if r.committed {
		return
	}
	r.headers.Free()
	r.message.Free()
	*r = replay{committed: true}
}

// renew makes headers writable again: the old stream may still be reading it.
func (r *replay) renew() *frame.HeaderList {
	l := r.headers.Clone()
	r.headers.Free()
	r.headers = l
	return l
}

// allows reports whether e leaves the call unprocessed and not yet repeated
// too often: without limit if nothing left this process, else once.
func (r *replay) allows(e *frame.CloseError) bool {
	if r.committed || r.headers == nil {
		return false
	}
	if e.Unsent {
		return true
	}
	if !e.Unprocessed || r.refused {
		return false
	}
	r.refused = true
	return true
}

// retryLocked begins another attempt. Sends that completed stay completed.
func (c *Call) retryLocked(a *after) {
	c.caller.attempt = &Attempt{call: c}
	c.stream = nil
	s := &c.send
	s.sent = frame.Sent{}
	s.repeating = c.caller.replay.message != nil
	o, rest := frame.Outgoing{Headers: c.caller.replay.renew().Ref()}, s.queued // rest: see handing
	if !s.repeating {
		o.Message, o.Prefix = rest.Message, rest.Prefix
	} else {
		o.Message, o.Prefix = c.caller.replay.message.Ref(), c.caller.replay.prefix
		if rest.Message != nil {
			s.held = &rest
		}
	}
	o.End = s.state == sendClosed && (s.held == nil || !s.held.End)
	s.queued = o
	c.asked, a.open = true, true
}
