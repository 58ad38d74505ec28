package half

import (
	"errors"
	"io"
	"runtime/debug"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
)

// walk is one ForEach: the taker of one message after the other.
//
//	             ┌───────────── step is resolved ─────────────┐
//	             ▼                                            │
//	ForEach ─► waiting ──message: step, on the poller──► in a step ──failed──► over
//	             │                                                              ▲
//	             └───────────────── end of the messages, Close ─────────────────┘
//
// It costs nothing per message: steps that are done at once follow each other in
// a loop, and every other one resumes it. A message that is there when another
// goroutine resumes it is left to the poller.
type walk[T any] struct {
	// immutable
	r    *Receiver[T]
	step func(*T) (*Done, error)
	stop func(error)

	first   *T                    // left by a Recv, until the poller takes it
	stepped func(struct{}, error) // w.resume, when needed
	promise future.Promise[struct{}]
}

// ForEach calls step with each message, on the poller, and with the next when
// the future that it has returned, if any, is resolved. The future is resolved
// after the last. The first error of step, or its panic, is the future's, after
// stop was called with it.
func (r *Receiver[T]) ForEach(step func(*T) (*Done, error), stop func(error)) *Done {
	w := &walk[T]{r: r, step: step, stop: stop}
	r.mu.Lock()
	a := r.left
	if err := r.refusalLocked(r.isWalked); a == nil && err != nil {
		r.mu.Unlock()
		if errors.Is(err, io.EOF) {
			return done
		}
		return Failed(err)
	}
	r.left, r.isWalked = nil, true
	isAsked := a != nil && r.asked != nil
	if isAsked { // what a Recv asked for and gave up waiting for
		r.asked = w
	}
	r.mu.Unlock()
	switch {
	case isAsked:
	case a != nil:
		a.promise.Future().OnComplete(w.begin)
	default:
		w.next(false)
	}
	return w.promise.Future()
}

// Steps makes steps of a function that returns futures.
func Steps[T any](fn func(*T) *Done) func(*T) (*Done, error) {
	return func(m *T) (*Done, error) {
		f := fn(m)
		if f == nil {
			return nil, future.ErrNone
		}
		return f, nil
	}
}

// begin gets what a Recv was given after it gave up waiting.
func (w *walk[T]) begin(m *T, err error) {
	if err != nil {
		w.end(err)
		return
	}
	w.first = m
	w.post()
}

// post lets the poller go on.
func (w *walk[T]) post() {
	w.r.tally.Enter()
	if w.r.to.Begin() {
		w.r.to.Complete(cq.Completion{Tag: w, OK: true})
		return
	}
	defer w.r.tally.Leave()
	w.end(errShutdown)
}

// Run implements cq.Callback, for what post has left to the poller.
func (w *walk[T]) Run(cq.Event) {
	defer w.r.tally.Leave()
	m := w.first
	if w.first = nil; m == nil {
		m = w.next(true)
	}
	w.run(m)
}

// take implements taker: a message comes on the poller.
func (w *walk[T]) take(m *T, err error) {
	if err != nil {
		w.end(err)
		return
	}
	w.run(m)
}

// run makes steps as long as there are messages.
func (w *walk[T]) run(m *T) {
	for m != nil && w.handle(m) {
		m = w.next(true)
	}
}

// next asks for a message. Without one the walk waits, or is over.
func (w *walk[T]) next(isPoller bool) (m *T) {
	r := w.r
	r.mu.Lock()
	if err := r.refusalLocked(false); err != nil {
		r.mu.Unlock()
		w.end(err)
		return nil
	}
	if r.ahead != nil && !isPoller {
		r.mu.Unlock()
		w.post()
		return nil
	}
	m, isDue := r.demandLocked(w)
	r.mu.Unlock()
	if isDue {
		r.read()
	}
	return m
}

// handle makes one step, and reports whether it is done with.
func (w *walk[T]) handle(m *T) bool {
	hasReturned := false
	defer func() {
		if !hasReturned { // panic, or runtime.Goexit as testing's FailNow
			w.fail(&future.PanicError{Value: recover(), Stack: debug.Stack()})
		}
	}()
	f, err := w.step(m)
	hasReturned = true
	if err == nil && f != nil {
		var isResolved bool
		if _, err, isResolved = f.Poll(); !isResolved {
			if w.stepped == nil {
				w.stepped = w.resume
			}
			f.OnComplete(w.stepped)
			return false
		}
	}
	if err != nil {
		w.fail(err)
	}
	return err == nil
}

// resume goes on after a step that took its time, on the goroutine that resolved
// its future.
func (w *walk[T]) resume(_ struct{}, err error) {
	if err != nil {
		w.fail(err)
		return
	}
	w.next(false)
}

// fail ends the walk because a step failed.
func (w *walk[T]) fail(err error) {
	w.stop(err)
	w.settle(err)
}

// end ends the walk because there are no more messages.
func (w *walk[T]) end(err error) {
	if errors.Is(err, io.EOF) {
		err = nil
	}
	w.settle(err)
}

func (w *walk[T]) settle(err error) {
	w.r.mu.Lock()
	w.r.isWalked = false
	w.r.mu.Unlock()
	w.promise.Settle(struct{}{}, err)
}
