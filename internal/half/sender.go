package half

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
)

// Sender is this side's messages. The zero value is ready for Bind.
//
//	Send ──► next ──the one before is taken──► outstanding ──taken──► future resolved
//
// One message may wait behind the outstanding one: a caller that has got the
// answer to a message can send the next, although the report that it was sent may
// come after its answer. When batches are enhanced (grpc-rs enhance_batch) one more is kept
// back:
//
//	Send a ─► kept a
//	Send b ─► a goes out with BufferHint, kept b      a burst is one write
//	Flush  ─► b goes out, with BufferHint if all messages since the last Flush had it
type Sender struct {
	// immutable
	call  *call.Call
	to    cq.Completer
	side  Side
	tally *Tally

	mu sync.Mutex

	// guarded by mu
	state    senderState
	turns    turns
	isBegun  bool  // a message was accepted
	enhanced bool  // messages are kept back
	mixed    bool  // a message since the last flush had no BufferHint
	isJoint  bool  // the end goes out in one batch with a message
	isLost   bool  // what was accepted could not be sent
	verdict  error // what Send says because the call has ended; nil: it has not

	sending  *sent   // of the outstanding message
	next     message // behind it
	kept     message // kept back; sent is nil
	flushing *sent   // a Flush for whose message there is no room yet
	pump     *pump   // a SendFrom that is not resolved
}

// message is one that was accepted; without a buffer there is none.
type message struct {
	body  *call.Buffer
	flags call.Flags
	sent  *sent
}

// sent is the cell of one Send or Flush, or of the messages of a SendFrom.
type sent struct {
	promise future.Promise[struct{}]
	handle  any   // keeps the application's handle from being collected
	pump    *pump // to be told instead
}

// settle resolves the cell, if there is one.
func (a *sent) settle(err error) {
	switch {
	case a == nil:
	case a.pump != nil:
		a.pump.sent(err)
	default:
		a.promise.Settle(struct{}{}, err)
	}
}

// Bind gives the half its call. tally may be nil.
func (s *Sender) Bind(k *call.Call, to cq.Completer, side Side, tally *Tally) {
	s.call, s.to, s.side, s.tally = k, to, side, tally
}

// Send sends v. The future is resolved when the call has taken it, or, if it is
// kept back, the one before. v is free for reuse when Send returns. handle lives
// as long as the future is not resolved.
func (s *Sender) Send(v any, flags call.Flags, handle any) *Done {
	return s.told(s.put(v, flags, nil, handle))
}

// SendBuffer is Send of a message that was encoded before. b is the half's, on
// error too.
func (s *Sender) SendBuffer(b *call.Buffer, flags call.Flags, handle any) *Done {
	if b == nil {
		return Failed(call.Misuse(errNoBuffer))
	}
	if err := s.refusal(); err != nil {
		b.Free()
		return Failed(err)
	}
	return s.told(s.admit(message{body: b, flags: flags}, nil, handle))
}

// errNoBuffer is what a call says of a message that is none.
var errNoBuffer error = &call.BatchError{
	Op: call.SendMessageOp, Reason: call.ErrInvalidMessage, Cause: errors.New("the buffer is nil"),
}

// told is the future of a message that put or admit has taken.
func (*Sender) told(a *sent, err error) *Done {
	switch {
	case err != nil:
		return Failed(err)
	case a == nil:
		return done
	}
	return a.promise.Future()
}

// put sends v, for by if that is not nil, and returns the cell of the message
// that goes out for it; nil if none does.
func (s *Sender) put(v any, flags call.Flags, by *pump, handle any) (*sent, error) {
	if err := s.refusal(); err != nil {
		return nil, err
	}
	body, err := call.Encode(s.call.Codec(), v)
	if err != nil {
		return nil, call.Misuse(&call.BatchError{Op: call.SendMessageOp, Reason: call.ErrInvalidMessage, Cause: err})
	}
	return s.admit(message{body: body, flags: flags}, by, handle)
}

// admit sends m, or frees it, and returns what put does.
func (s *Sender) admit(m message, by *pump, handle any) (*sent, error) {
	a, err := s.accept(m, by, handle)
	switch {
	case err != nil:
		m.body.Free()
	case a != nil:
		s.resume()
	}
	return a, err
}

// accept takes m, and returns what put does.
func (s *Sender) accept(m message, by *pump, handle any) (*sent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != senderOpen:
		return nil, future.ErrClosed
	case s.verdict != nil:
		return nil, s.verdict
	case s.next.body != nil || s.flushing != nil || s.pump != by:
		return nil, future.ErrPending
	}
	// The first message of a response goes out at once: kept back or hinted it
	// would delay the initial metadata (grpc-rs send_metadata).
	isFirst := !s.isBegun && s.call.IsServer()
	s.isBegun = true
	switch {
	case isFirst:
		m.flags &^= call.BufferHint
	case s.enhanced:
		s.mixed = s.mixed || m.flags&call.BufferHint == 0
		m, s.kept = s.kept, m
		if m.body == nil {
			return nil, nil
		}
		m.flags |= call.BufferHint
	}
	if by != nil {
		m.sent = &by.cell
	} else {
		m.sent = &sent{handle: handle}
	}
	s.next = m
	return m.sent, nil
}

// refusal is why nothing can be sent any more, nil while something can.
func (s *Sender) refusal() error {
	s.mu.Lock()
	isOpen, err := s.state == senderOpen, s.verdict
	s.mu.Unlock()
	switch {
	case !isOpen:
		return future.ErrClosed
	case err != nil || !s.call.Finished():
		return err
	}
	return verdictOf(s.call.Err())
}

// verdictOf is what sending on a call that has ended with err gives.
func verdictOf(err error) error {
	if err == nil {
		return future.ErrFinished
	}
	return err
}

// Flush sends the message that is kept back, if there is one. The future is
// resolved when all messages were taken.
func (s *Sender) Flush(handle any) *Done {
	if err := s.refusal(); err != nil {
		return Failed(err)
	}
	s.mu.Lock()
	if p := s.pump; p != nil {
		s.mu.Unlock()
		return p.promise.Future()
	}
	a := s.flushLocked(handle)
	s.mu.Unlock()
	return s.flushed(a)
}

// flush is Flush, of what there is now.
func (s *Sender) flush(handle any) *Done {
	s.mu.Lock()
	a := s.flushLocked(handle)
	s.mu.Unlock()
	return s.flushed(a)
}

// flushLocked wants what is kept back to be sent, and returns the cell of the last
// message there is; nil if all were taken. Those of a pump are no use to others:
// its cell is resolved by nobody.
func (s *Sender) flushLocked(handle any) *sent {
	switch {
	case s.flushing != nil:
		return s.flushing
	case s.kept.body != nil:
		s.flushing = &sent{handle: handle}
		return s.flushing
	case s.next.body != nil:
		return s.next.sent
	}
	return s.sending
}

// flushed is what flushLocked has left to do.
func (s *Sender) flushed(a *sent) *Done {
	if a == nil {
		return done
	}
	s.resume()
	return a.promise.Future()
}

// Enhance turns the keeping back of messages on, or off, which flushes; during a
// SendFrom, which is one batch, from its end on. It returns what it was.
func (s *Sender) Enhance(on bool) (was bool) {
	s.mu.Lock()
	var a *sent
	if p := s.pump; p != nil {
		was, p.was = p.was, on
	} else {
		was, s.enhanced = s.enhanced, on
		if was && !on && s.state == senderOpen && s.verdict == nil {
			a = s.flushLocked(nil)
		}
	}
	s.mu.Unlock()
	s.flushed(a)
	return was
}

// SendAll sends the messages of seq as one enhanced batch, waiting for each to
// be taken, or until ctx ends.
func SendAll[T any](ctx context.Context, s *Sender, seq iter.Seq[*T], handle any) error {
	if !s.Enhance(true) {
		defer s.Enhance(false)
	}
	for m := range seq {
		if _, err := s.Send(m, 0, handle).Await(ctx); err != nil {
			return err
		}
	}
	_, err := s.Flush(handle).Await(ctx)
	return err
}

// Close ends this half, after what was accepted: Side.Ended tells when that is
// done. It reports false if it was closed before.
func (s *Sender) Close() bool {
	s.mu.Lock()
	if s.state != senderOpen {
		s.mu.Unlock()
		return false
	}
	s.state.to(senderEnding)
	s.mu.Unlock()
	s.resume()
	return true
}

// Over tells the half that its call has ended with err, nil for OK: nothing can
// be sent any more.
func (s *Sender) Over(err error) {
	err = verdictOf(err)
	s.mu.Lock()
	s.verdict = err
	s.mu.Unlock()
	s.lose(err)
}

// IsOpen reports whether Close was not called.
func (s *Sender) IsOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == senderOpen
}
