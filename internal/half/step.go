package half

import (
	"errors"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// step is what a Sender does next.
type step uint8

const (
	stepNone  step = iota
	stepNext       // send the next message
	stepJoint      // send what is kept back, and the end with it
	stepEnd        // send the end
)

// resume does what there is to do, as far as nothing is in the way. It is called
// whenever something may have got out of the way.
func (s *Sender) resume() {
	for {
		s.mu.Lock()
		todo, m := s.stepLocked()
		s.mu.Unlock()
		switch todo {
		case stepNext, stepJoint:
			s.start(m, todo == stepJoint)
		case stepEnd:
			s.startEnd()
			return
		case stepNone:
			return
		}
	}
}

// stepLocked decides what to do and takes what is needed for it.
func (s *Sender) stepLocked() (step, message) {
	if s.flushing != nil && s.next.body == nil {
		s.next = s.keptLocked()
		s.next.sent, s.flushing = s.flushing, nil
	}
	switch {
	case s.next.body != nil && s.turns.isIdle():
		m := s.next
		s.next = message{}
		s.issueLocked(m.sent)
		return stepNext, m
	case s.next.body != nil || s.state != senderEnding:
	case s.kept.body != nil && s.turns.isIdle():
		m := s.keptLocked()
		s.issueLocked(nil)
		s.isJoint = true
		s.state.to(senderEnded)
		return stepJoint, m
	case s.kept.body == nil && s.turns.isStarted(): // the call sends it after what is outstanding
		s.state.to(senderEnded)
		return stepEnd, message{}
	}
	return stepNone, message{}
}

// keptLocked takes what is kept back as the last message of a batch.
func (s *Sender) keptLocked() message {
	m := s.kept
	if m.flags &^= call.BufferHint; !s.mixed {
		m.flags |= call.BufferHint
	}
	s.kept, s.mixed = message{}, false
	return m
}

func (s *Sender) issueLocked(a *sent) {
	s.turns.issued++
	s.sending = a
}

// start gives the call a message whose turn was issued, with hasEnd together
// with the end of this half.
func (s *Sender) start(m message, hasEnd bool) {
	var ops [3]call.Op
	batch := append(ops[:0], call.SendMessage(m.body).With(m.flags))
	head, isOpening := s.side.Head(false)
	if isOpening {
		batch = append(batch, head)
	}
	tag := cq.Tag((*sending)(s))
	if hasEnd {
		batch, tag = append(batch, s.side.End()), (*ending)(s)
	}
	s.tally.Enter()
	var err error
	isGiven := false
	defer func() {
		if isGiven {
			return
		}
		defer s.tally.Leave()
		if isOpening {
			s.side.Revert()
		}
		if err == nil { // a compressor has panicked, and the panic goes on
			err = errPanicked
			defer s.resume() // the loop that called does not
		}
		s.reject(m, hasEnd, call.Misuse(err))
	}()
	err = s.call.StartBatchOn(s.to, batch, tag)
	if isGiven = err == nil; isGiven {
		s.mu.Lock()
		s.turns.given++
		s.mu.Unlock()
	}
}

// errPanicked does not tell with what: that is for who reports the panic.
var errPanicked = errors.New("panic in a codec")

// reject fails a message whose turn was issued, and which the call has not taken.
func (s *Sender) reject(m message, hasEnd bool, err error) {
	m.body.Free()
	s.mu.Lock()
	s.turns.issued--
	s.sending, s.isJoint = nil, false
	s.isLost = true
	s.mu.Unlock()
	if hasEnd {
		defer s.side.Ended(err) // also if who waits panics
	}
	m.sent.settle(err)
}

// startEnd gives the call the end of this half. After the end of the call a
// client's is sent well enough, and a server's cannot be.
func (s *Sender) startEnd() {
	s.mu.Lock()
	verdict, isSent := s.verdict, !s.isLost && !s.call.IsServer()
	s.mu.Unlock()
	if verdict != nil {
		if isSent {
			verdict = nil
		}
		s.side.Ended(verdict)
		return
	}
	var ops [2]call.Op
	batch := append(ops[:0], s.side.End())
	head, isOpening := s.side.Head(true)
	if isOpening {
		batch = append(batch, head)
	}
	s.tally.Enter()
	if err := s.call.StartBatchOn(s.to, batch, (*ending)(s)); err != nil {
		defer s.tally.Leave()
		if isOpening {
			s.side.Revert()
		}
		s.side.Ended(call.Misuse(err))
	}
}

// sending is the view of a Sender that a message completes.
type sending Sender

// Run implements cq.Callback, for SEND_MESSAGE.
func (v *sending) Run(ev cq.Event) {
	s := (*Sender)(v)
	defer s.tally.Leave()
	err := failure(ev)
	s.mu.Lock()
	s.turns.completed++
	a := s.sending
	s.sending = nil
	s.mu.Unlock()
	defer a.settle(err) // also if a codec panics on the next message
	defer s.resume()    // also if who waits for another message panics
	if err != nil {
		s.lose(err)
	}
}

// ending is the view of a Sender that the end of the half completes.
type ending Sender

// Run implements cq.Callback, for SEND_CLOSE and SEND_STATUS, with or without
// a message in the batch.
func (v *ending) Run(ev cq.Event) {
	s := (*Sender)(v)
	defer s.tally.Leave()
	err := failure(ev)
	s.mu.Lock()
	if s.isJoint {
		s.isJoint = false
		s.turns.completed++
	}
	isLost := s.isLost
	s.mu.Unlock()
	if err == nil && isLost {
		err = verdictOf(s.call.Err())
	}
	s.side.Ended(err)
}

// lose drops what was accepted and not given to the call, because nothing can be
// sent any more, and fails who waits for it.
func (s *Sender) lose(err error) {
	s.mu.Lock()
	next, kept, flushing := s.next, s.kept, s.flushing
	s.next, s.kept, s.flushing = message{}, message{}, nil
	s.isLost = s.isLost || next.body != nil || kept.body != nil
	s.mu.Unlock()
	next.body.Free()
	kept.body.Free()
	defer flushing.settle(err) // also if who waits for the other panics
	next.sent.settle(err)
}
