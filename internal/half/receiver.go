package half

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
)

// receiverState is how far the peer's messages have come.
//
//	  ┌──message──┐
//	  ▼           │
//	idle ─read─► reading ──end──► ended ──why is known──► over
//	  │                                                    ▲
//	  └────────────────── Reject ──────────────────────────┘
//
// A read starts before the message of the last one is handed out: one is ahead.
type receiverState uint8

const (
	receiverIdle    receiverState = iota // nothing outstanding
	receiverReading                      // RECV_MESSAGE is outstanding
	receiverEnded                        // no more messages
	receiverOver                         // no more messages, and why
)

var receiverStateNames = [...]string{"idle", "reading", "ended", "over"}

func (s receiverState) String() string { return receiverStateNames[s] }

// to is the only place that changes a state.
func (s *receiverState) to(next receiverState) {
	isLegal := next == *s+1 || next == receiverIdle && *s == receiverReading || next == receiverOver && *s == receiverIdle
	if !isLegal {
		panic("BUG: half: receiver " + s.String() + " -> " + next.String())
	}
	*s = next
}

// Receiver is the peer's messages. The zero value is ready for Bind.
type Receiver[T any] struct {
	// immutable
	call  *call.Call
	to    cq.Completer
	tally *Tally

	mu sync.Mutex

	// guarded by mu
	state    receiverState
	isClosed bool
	isWalked bool      // a ForEach is not resolved
	asked    taker[T]  // a Next that is not resolved, or a ForEach that waits
	left     *asked[T] // a Next that a Recv gave up waiting for; asked, until it is resolved
	ahead    *T        // a message nobody has asked for yet
	verdict  error     // what follows the last message, io.EOF for OK; nil: not known yet

	// of the outstanding RECV_MESSAGE
	into *T
	got  bool
}

// taker gets a message, or why none comes.
type taker[T any] interface{ take(m *T, err error) }

// asked is the cell of one Next.
type asked[T any] struct {
	promise future.Promise[*T]
	handle  any // keeps the application's handle from being collected
}

func (a *asked[T]) take(m *T, err error) { a.promise.Settle(m, err) }

// Bind gives the half its call. On a client what follows the last message is
// how the call ends, see Conclude; a server knows it when the messages end. tally
// may be nil.
func (r *Receiver[T]) Bind(k *call.Call, to cq.Completer, tally *Tally) {
	r.call, r.to, r.tally = k, to, tally
}

// Next returns the future of the next message; io.EOF after the last, or why
// the call ended. handle lives as long as the future is not resolved.
func (r *Receiver[T]) Next(handle any) *future.Future[*T] {
	a, err := r.ask(handle)
	if err != nil {
		return future.Failed[*T](err)
	}
	return a.promise.Future()
}

// ask is Next for a caller that may give up waiting.
func (r *Receiver[T]) ask(handle any) (*asked[T], error) {
	r.mu.Lock()
	if a := r.left; a != nil {
		r.left = nil
		r.mu.Unlock()
		return a, nil
	}
	if err := r.refusalLocked(r.isWalked); err != nil {
		r.mu.Unlock()
		return nil, err
	}
	a := &asked[T]{handle: handle}
	m, isDue := r.demandLocked(a)
	r.mu.Unlock()
	if isDue {
		r.read()
	}
	if m != nil {
		a.promise.Resolve(m)
	}
	return a, nil
}

// refusalLocked is why nobody can ask for a message now, nil if one can.
func (r *Receiver[T]) refusalLocked(isTaken bool) error {
	switch {
	case r.isClosed:
		return future.ErrClosed
	case isTaken || r.asked != nil:
		return future.ErrPending
	case r.ahead == nil && r.state == receiverOver:
		return r.verdict
	}
	return nil
}

// demandLocked returns the message that is ahead; without one a will get the
// next. The caller is to read if that is due.
func (r *Receiver[T]) demandLocked(a taker[T]) (m *T, isDue bool) {
	m = r.ahead
	if r.ahead = nil; m == nil {
		r.asked = a
	}
	return m, r.readLocked()
}

// readLocked notes that the caller is about to read, if a read is due.
func (r *Receiver[T]) readLocked() bool {
	if r.state != receiverIdle {
		return false
	}
	r.state.to(receiverReading)
	r.into = new(T)
	return true
}

func (r *Receiver[T]) read() {
	ops := [1]call.Op{call.RecvValue(r.into, &r.got)}
	r.tally.Enter()
	if err := r.call.StartBatchOn(r.to, ops[:], (*receiving[T])(r)); err != nil {
		defer r.tally.Leave()
		r.end(call.Misuse(err))
	}
}

// receiving is the view of a Receiver that a read completes.
type receiving[T any] Receiver[T]

// Run implements cq.Callback, for RECV_MESSAGE.
func (v *receiving[T]) Run(ev cq.Event) {
	r := (*Receiver[T])(v)
	defer r.tally.Leave()
	if !r.got {
		r.end(failure(ev))
		return
	}
	r.mu.Lock()
	r.state.to(receiverIdle)
	m, a := r.into, r.asked
	r.into, r.got = nil, false
	switch {
	case r.isClosed:
		r.mu.Unlock()
		r.call.StopReceiving()
		return
	case a == nil:
		r.ahead = m
		r.mu.Unlock()
		return
	}
	r.asked = nil
	r.readLocked() // one ahead: started before this one is handed out
	r.mu.Unlock()
	r.read()
	a.take(m, nil)
}

// end notes that no message will come any more; err is why, if the peer did not
// end them in order.
func (r *Receiver[T]) end(err error) {
	if err == nil {
		err = io.EOF
	}
	r.mu.Lock()
	r.into = nil
	r.state.to(receiverEnded)
	if r.call.IsServer() {
		r.verdict = err
	}
	a, err := r.overLocked()
	r.mu.Unlock()
	refuse(a, err)
}

// Conclude tells a client's half how the call ended: nil for OK. What has
// arrived is still handed out before.
func (r *Receiver[T]) Conclude(err error) {
	if err == nil {
		err = io.EOF
	}
	r.mu.Lock()
	r.verdict = err
	a, err := r.overLocked()
	r.mu.Unlock()
	refuse(a, err)
}

// Reject makes err all there is to receive: the call was not started.
func (r *Receiver[T]) Reject(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.to(receiverOver)
	r.verdict = err
}

// overLocked moves on to over if all is known. It returns the taker to be told, and what.
func (r *Receiver[T]) overLocked() (taker[T], error) {
	if r.state != receiverEnded || r.verdict == nil {
		return nil, nil
	}
	r.state.to(receiverOver)
	a := r.asked
	r.asked = nil
	return a, r.verdict
}

// refuse tells a, if there is one, why no message comes.
func refuse[T any](a taker[T], err error) {
	if a != nil {
		a.take(nil, err)
	}
}

// Recv waits for the next message until ctx ends. Then the message is not lost:
// the next Recv or Next gets it.
func (r *Receiver[T]) Recv(ctx context.Context, handle any) (*T, error) {
	a, err := r.ask(handle)
	if err != nil {
		return nil, err
	}
	f := a.promise.Future()
	m, err := f.Await(ctx)
	if err == nil || r.leave(a) {
		return m, err
	}
	<-f.Done() // whoever has taken a is about to resolve it, or has
	m, err, _ = f.Poll()
	return m, err
}

// leave keeps a Next for the next caller of ask. It reports false if somebody has
// taken a to resolve it: then r.asked may be another, and a is nobody's but the
// caller's.
func (r *Receiver[T]) leave(a *asked[T]) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked != taker[T](a) {
		return false
	}
	r.left = a
	return true
}

// All ranges over Recv, and calls stop in the end.
func (r *Receiver[T]) All(ctx context.Context, handle any, stop func()) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		defer stop()
		for {
			m, err := r.Recv(ctx, handle)
			if errors.Is(err, io.EOF) || !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// Close gives up the rest of the messages: they are dropped, so that they hold
// back neither the peer nor the call. It reports false if there is no rest.
func (r *Receiver[T]) Close() bool {
	r.mu.Lock()
	isFirst := !r.isClosed && r.state != receiverOver
	r.isClosed = true
	a := r.asked
	r.asked, r.ahead, r.left = nil, nil, nil
	isReading := r.state == receiverReading
	r.mu.Unlock()
	if isFirst && !isReading {
		r.call.StopReceiving()
	}
	refuse(a, future.ErrClosed)
	return isFirst
}

// IsOpen reports whether messages may come that were not given up.
func (r *Receiver[T]) IsOpen() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.isClosed && r.state != receiverOver
}
