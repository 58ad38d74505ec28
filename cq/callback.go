package cq

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// Callback is a tag for a queue made by NewCallback: Run is called when the
// operation has ended. A func(Event) is accepted as well.
type Callback interface {
	Run(Event)
}

// callbacks is what a queue made by NewCallback has in addition.
type callbacks struct {
	// immutable
	exec       Executor
	onShutdown func()
	finished   chan struct{} // closed when onShutdown has returned

	// atomic
	unreturned atomic.Int64 // tasks that have not returned, plus one until pending is zero
}

// NewCallback returns a queue that stores nothing: when an operation ends, its
// tag, a Callback or a func(Event), is run by exec. A callback never runs on
// the stack of the call that started its operation, unless exec is [Inline];
// callbacks of one queue may run concurrently with each other. A panic in a
// callback is not recovered: it ends the process, like one in any goroutine.
// So does a tag that cannot be run.
//
// onShutdown, if not nil, is run by exec, exactly once, after Shutdown was
// called, every operation has ended and every callback has returned. A nil
// exec means a [Pool] of its own with the default number of workers.
func NewCallback(exec Executor, onShutdown func()) *Queue {
	if exec == nil {
		exec = NewPool(0)
	}
	q := newQueue(byCallback)
	q.calls = &callbacks{exec: exec, onShutdown: onShutdown, finished: make(chan struct{})}
	q.calls.unreturned.Store(1)
	return q
}

// wait blocks until onShutdown has returned or ctx ends, preferring the former.
func (b *callbacks) wait(ctx context.Context) error {
	select {
	case <-b.finished:
		return nil
	default:
	}
	select {
	case <-b.finished:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Task is one callback to run: what a Queue hands to an Executor. It is a
// value; run it exactly once.
type Task struct {
	q *Queue
	c Completion
	// last: run the queue's shutdown function instead, for every operation has
	// ended and every callback returned.
	last bool
}

// batches holds task slices on their way to an executor.
var batches = sync.Pool{New: func() any { return new([]Task) }}

// dispatch ends len(cs) operations by handing them to the executor together.
func (q *Queue) dispatch(cs []Completion) {
	b := q.calls
	b.unreturned.Add(int64(len(cs)))
	left := q.pending.Add(-int64(len(cs)))
	q.mustHaveBegun(left)
	if left == 0 {
		b.unreturned.Add(-1) // never to zero: the tasks of cs have not returned
	}
	batch := batches.Get().(*[]Task)
	for i := range cs {
		*batch = append(*batch, Task{q: q, c: cs[i]})
	}
	b.exec.Execute(*batch)
	clear(*batch)
	if cap(*batch) <= maxIdleLane {
		*batch = (*batch)[:0]
		batches.Put(batch)
	}
}

// endDispatch drops the unit that is held while operations may still end. If all
// callbacks have returned, only the shutdown function remains to be run.
func (q *Queue) endDispatch() {
	if q.calls.unreturned.Add(-1) == 0 {
		q.calls.exec.Execute([]Task{{q: q, last: true}})
	}
}

// Run runs the callback, or the queue's shutdown function. Only an Executor
// calls it, with no lock held that a callback might want.
func (t Task) Run() {
	if t.last {
		t.q.calls.finish()
		return
	}
	defer t.returned()
	ev, keep := t.c.event()
	if !keep {
		return
	}
	switch cb := ev.Tag.(type) {
	case Callback:
		cb.Run(ev)
	case func(Event):
		cb(ev)
	default:
		panic(fmt.Sprintf("cq: tag of type %T on a callback queue is neither a cq.Callback nor a func(cq.Event)", ev.Tag))
	}
}

// returned counts the callback as returned; the last one finishes the queue.
// It is deferred, so that a callback that ends its goroutine is counted too.
func (t Task) returned() {
	if t.q.calls.unreturned.Add(-1) == 0 {
		t.q.calls.finish()
	}
}

func (b *callbacks) finish() {
	defer close(b.finished)
	if b.onShutdown != nil {
		b.onShutdown()
	}
}
