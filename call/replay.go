package call

import (
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// replay is what a client call keeps of what it has sent, as long as that may have to be
// repeated on another stream: until the server answers, or more is sent than is kept. That is
// one message (gRPC retry design, Transparent Retries), or as much as a policy says.
type replay struct {
	headers   *frame.HeaderList
	message   *mem.Buffer // the first; retry has those that follow
	prefix    [frame.PrefixLen]byte
	isTimed   bool      // grpc-timeout is the first field of headers' own
	committed bool      // nothing is kept any more
	refused   bool      // the one retry after a refusal by the server is used up
	retry     *retrying // nil without a policy
}

// keep keeps what is about to be sent. Its message, if it has one, is the n-th of the
// call.
func (r *replay) keep(o *frame.Outgoing, n uint64) {
	switch {
	case r.committed || o.Message == nil || n <= r.count(): // the last: it is kept already
	case r.message == nil:
		r.message, r.prefix = o.Message.Ref(), o.Prefix
	case r.isOpen():
		r.retry.messages = append(r.retry.messages, packed{o.Message.Ref(), o.Prefix})
	default:
		r.commit()
	}
}

// count is how many messages are kept.
func (r *replay) count() uint64 {
	switch {
	case r.message == nil:
		return 0
	case r.retry == nil:
		return 1
	}
	return 1 + uint64(len(r.retry.messages))
}

// copies are the messages that are kept, with a reference each, to be sent again.
func (r *replay) copies() []packed {
	if r.message == nil {
		return nil
	}
	all := []packed{{r.message, r.prefix}}
	if r.retry != nil {
		all = append(all, r.retry.messages...)
	}
	for _, m := range all {
		m.body.Ref()
	}
	return all
}

// commit gives up repeating.
func (r *replay) commit() {
	if r.committed {
		return
	}
	r.headers.Free()
	r.message.Free()
	if r.retry != nil {
		for _, m := range r.retry.messages {
			m.body.Free()
		}
		r.retry.messages = nil
	}
	*r = replay{committed: true, retry: r.retry}
}

// renew makes headers writable again: the old stream may still be reading it.
func (r *replay) renew() *frame.HeaderList {
	l := r.headers.Clone()
	r.headers.Free()
	r.headers = l
	r.retry.stampAttempts(l)
	return l
}

// allows reports whether the call may be repeated because its stream, which ended with e,
// left it unprocessed: always if nothing left this process, else once, which it notes.
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

// repeatLocked prepares another attempt: what was sent goes into the outbox again, before what is
// left to be sent. Sends that completed stay completed.
func (c *Call) repeatLocked() {
	s, r := &c.send, &c.caller.replay
	c.caller.attempt = &Attempt{call: c}
	c.stream = nil
	left := s.outbox.takeMessages()
	kept := r.copies()
	if len(kept) > 0 {
		s.outbox.backlog = &backlog{messages: kept}
	}
	n := s.accepted - uint64(len(left))
	for _, m := range left {
		if n++; n <= r.count() {
			m.body.Free() // it was being sent again
		} else {
			s.outbox.add(m)
		}
	}
	s.sent = frame.Sent{}
	s.outbox.next.Headers = r.renew().Ref()
	if s.state == sendClosed {
		s.outbox.addEnd(nil)
	}
	if s.outbox.isWaiting() {
		s.outbox.advance()
	}
}

// askLocked asks for a stream.
func (c *Call) askLocked(a *after) {
	c.open.to(asking)
	a.open = true
}

// forgetLocked ends the search for a stream.
func (c *Call) forgetLocked(a *after) {
	if c.open == asking || c.open == resting {
		c.open.to(noStream)
		a.forget = true
	}
	c.caller.replay.retry.stop()
}
