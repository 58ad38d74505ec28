package cq

import (
	"context"
	"fmt"
	"sync/atomic"
)

// waiterState is what has happened to the one operation of a Waiter.
//
//	        Begin              Complete
//	idle ───────────► begun ────────────► ended ──► idle   (Wait took it)
//	                   │ ▲                  ▲ ▲
//	              Wait ▼ │ ctx ended        │ │
//	                  parked ───────────────┘ │ Complete, with a token
//	                                          │
//	            begun ◄──Serve──► serving ────┘ Complete, and recalled
type waiterState uint32

const (
	waiterIdle waiterState = iota
	waiterBegun
	waiterParked
	waiterServing
	waiterEnded
)

func (s waiterState) String() string {
	switch s {
	case waiterIdle:
		return "idle"
	case waiterBegun:
		return "begun"
	case waiterParked:
		return "parked"
	case waiterServing:
		return "serving"
	case waiterEnded:
		return "ended"
	}
	return fmt.Sprintf("waiterState(%d)", uint32(s))
}

// Waiter is a Completer for one operation at a time and one goroutine that
// waits for it: a pluck queue of one, for the sync style. It takes no lock,
// and no channel is made unless the wait has to block. Once Wait has returned
// the event, the Waiter can be used again at no cost.
//
// The zero value is ready to use, so a Waiter can be a field of what it waits
// for. It must not be copied, nor kept in a pool shared by the whole process.
type Waiter struct {
	// atomic
	state atomic.Uint32

	// owned by Complete until the state is ended, by Wait from then on
	c Completion

	// of Serve: written once for each operation, never while serving
	source     Source
	isRecalled atomic.Bool // any goroutine

	// waiting goroutine only; wake is also sent to by Complete when parked
	wake chan struct{} // capacity 1, nil until the first blocking Wait
	ev   Event         // finalizers change it in place
}

var _ Completer = (*Waiter)(nil)

// Begin announces the operation. It reports false if the last one has not
// ended, or has ended and was not taken by Wait. Any goroutine may call it.
func (w *Waiter) Begin() bool { return w.to(waiterIdle, waiterBegun) }

// Complete ends the operation and wakes the goroutine in Wait. It does not
// block. Complete without Begin panics: it is a bug of the engine. Any
// goroutine may call it.
func (w *Waiter) Complete(c Completion) {
	w.c = c
	for {
		s := waiterState(w.state.Load())
		var served Source
		switch s {
		case waiterBegun, waiterParked:
		case waiterServing:
			served = w.source
		default:
			panic("BUG: cq.Waiter: Complete of an operation that is " + s.String())
		}
		if !w.to(s, waiterEnded) {
			continue
		}
		if s == waiterParked {
			w.wake <- struct{}{} // never blocks: one token per parking
		}
		if served != nil {
			w.isRecalled.Store(true)
			served.Nudge()
		}
		return
	}
}

// to is the only place that changes the state. It changes nothing and reports false
// unless the state is from.
func (w *Waiter) to(from, next waiterState) bool {
	return w.state.CompareAndSwap(uint32(from), uint32(next))
}

// Serve serves s instead of waiting, until the operation has ended, ctx ends, or s is no longer this
// goroutine's to serve. The goroutine then calls Wait. Of several sources given for one operation
// only the first is served; for an operation that has ended Serve does nothing.
func (w *Waiter) Serve(ctx context.Context, s Source) {
	if waiterState(w.state.Load()) != waiterBegun {
		return
	}
	switch w.source {
	case nil:
		w.source = s
	case s:
	default:
		return // Complete may be about to nudge the first
	}
	stop := patience{ctx: ctx}.watch(&w.isRecalled, s)
	defer stop()
	for isOurs := true; isOurs; {
		w.isRecalled.Store(false) // before ctx is looked at, which sets it
		if ctx.Err() != nil || !w.to(waiterBegun, waiterServing) {
			return
		}
		isOurs = w.serve(s)
	}
}

func (w *Waiter) serve(s Source) (isOurs bool) {
	defer w.to(waiterServing, waiterBegun) // user code may panic in there
	return s.Serve(waiters{}, &w.isRecalled)
}

// Waiters is the [Host] of a source that has completed a Waiter: the next goroutine that waits for
// something from it with a Waiter may serve it. Nobody is told of the offer.
func Waiters() Host { return waiters{} }

type waiters struct{}

func (waiters) Offer(Source) bool { return true }
func (waiters) Withdraw(Source)   {}

// Host returns what [Waiters] does: any goroutine that waits with a Waiter may serve.
func (w *Waiter) Host() Host { return waiters{} }

// Wait waits until the operation has ended or ctx ends, preferring the former,
// and reports whether the event is that of the operation. If not, its Kind is
// Timeout with ctx's error, and the operation is still outstanding: cancel it
// and Wait again before dropping what it works on; or Misuse if nothing was
// begun. The completion's finalizer runs here, on the waiting goroutine; if it
// swallows the event after beginning another operation, Wait waits for that.
// Only one goroutine at a time may call Wait.
func (w *Waiter) Wait(ctx context.Context) (Event, bool) {
	for {
		switch s := waiterState(w.state.Load()); s {
		case waiterIdle:
			return misuse(ErrNotBegun), false
		case waiterBegun:
			if !w.park(ctx) {
				return Event{Kind: Timeout, Err: ctx.Err()}, false
			}
		case waiterEnded:
			if w.finalize() {
				return w.take(), true
			}
		default:
			panic("BUG: cq.Waiter: Wait by two goroutines")
		}
	}
}

// park blocks until the operation has ended, or until ctx ends and it has not.
func (w *Waiter) park(ctx context.Context) (ended bool) {
	if w.wake == nil {
		w.wake = make(chan struct{}, 1)
	}
	if !w.to(waiterBegun, waiterParked) {
		return true // ended meanwhile, without a token
	}
	select {
	case <-w.wake:
		return true
	case <-ctx.Done():
	}
	if w.to(waiterParked, waiterBegun) {
		return false
	}
	<-w.wake // ended at the same moment: the token is on its way
	return true
}

// finalize consumes the completion and reports whether its event is kept in ev.
func (w *Waiter) finalize() bool {
	c := w.c
	w.c, w.source = Completion{}, nil
	w.to(waiterEnded, waiterIdle) // so that a finalizer may begin again
	return c.finalizeInto(&w.ev)
}

func (w *Waiter) take() Event {
	ev := w.ev
	w.ev = Event{}
	return ev
}
