package cq

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// completionType says how a queue is harvested (C-core grpc_cq_completion_type).
type completionType uint8

const (
	byNext completionType = iota
	byPluck
	byCallback
)

func (t completionType) String() string {
	switch t {
	case byNext:
		return "next"
	case byPluck:
		return "pluck"
	case byCallback:
		return "callback"
	}
	return fmt.Sprintf("completionType(%d)", uint8(t))
}

// Queue is a completion queue (C-core grpc_completion_queue): operations begin
// on it, end on it, and each end is handed to exactly one harvester, in the
// order of the ends. It is a plain struct with no goroutine and no file
// descriptor, cheap enough for one per call. All methods may be called
// concurrently.
type Queue struct {
	// immutable
	how   completionType
	calls *callbacks // only byCallback

	// atomic
	pending  atomic.Int64 // operations begun and not ended, events in hand, plus one until Shutdown
	shutdown atomic.Bool  // Shutdown was called; written under mu

	mu sync.Mutex

	// guarded by mu
	ready   ring[Completion]
	parked  []*poller // blocked in Next or Pluck; the last is woken first
	free    []*poller // not in use
	awake   int       // pollers woken that have not looked at ready since
	alarms  *Alarm    // armed ones, linked
	service Service   // by pollers that find nothing ready
}

var _ Completer = (*Queue)(nil)

// New returns a queue whose events are taken with Next, NextUntil, NextN and
// Events, by any number of goroutines.
func New() *Queue { return newQueue(byNext) }

// NewPluck returns a queue whose events are taken by tag, with Pluck and
// PluckUntil, by any number of goroutines (C-core allows six).
func NewPluck() *Queue { return newQueue(byPluck) }

func newQueue(how completionType) *Queue {
	q := &Queue{how: how}
	q.pending.Store(1)
	return q
}

// Begin announces one operation. It reports false, and announces nothing, only
// when the queue is finished: Shutdown was called and every operation ended.
// Until then operations are accepted and delivered, so that follow-up work of
// running operations can end properly; also while the body of a loop over
// [Queue.Events], or the function given to [Poll], handles an event.
func (q *Queue) Begin() bool {
	for {
		n := q.pending.Load()
		if n == 0 {
			return false
		}
		if q.pending.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Complete ends one operation announced by Begin. It does not block. On a
// queue made by NewCallback it hands the tag to the Executor; on the others it
// stores the completion and wakes a poller if one is needed. Complete without
// Begin panics: it is a bug of the engine.
func (q *Queue) Complete(c Completion) { q.completeAll([]Completion{c}, false) }

// completeAll ends len(cs) operations under one lock, with at most one wake
// for each. It keeps no reference to cs. isOwn: the caller is the goroutine that serves
// q's source.
func (q *Queue) completeAll(cs []Completion, isOwn bool) {
	if q.how == byCallback {
		q.dispatch(cs)
		return
	}
	q.mu.Lock()
	for i := range cs {
		q.ready.push(cs[i])
	}
	left, served := q.endLocked(len(cs), isOwn)
	q.mu.Unlock()
	nudge(served)
	q.mustHaveBegun(left)
}

// endLocked ends n operations, whose completions are the newest ready ones. It
// returns what is left of pending, and the source to nudge, nil for none: its server
// is recalled to take an event.
// Completions are stored before their operations end, so whoever sees the queue
// finished also sees every completion (C-core cq_end_op).
//
// The goroutine that serves the source is recalled only for events that it has read
// itself, or if too few other pollers are parked.
func (q *Queue) endLocked(n int, isOwn bool) (left int64, served Source) {
	left = q.pending.Add(-int64(n))
	if left <= 0 {
		q.wakeAllLocked()
		return left, q.service.Recall()
	}
	if isOwn {
		served = q.service.Recall()
	}
	if q.wakeForLocked(n) && served == nil {
		served = q.service.Recall()
	}
	return left, served
}

// mustHaveBegun panics if there were more Completes than Begins: one unit of
// pending is the queue's own until Shutdown gives it back.
func (q *Queue) mustHaveBegun(left int64) {
	if left < 0 || left == 0 && !q.shutdown.Load() {
		panic("BUG: cq.Queue: Complete without Begin")
	}
}

// Shutdown asks the queue to finish. Operations in flight still end and are
// delivered; armed alarms end at once with OK=false, so draining never waits
// for a clock. Once all have ended, Begin fails, and once all events are taken
// Next and Pluck return Shutdown forever. It does not wait and may be called
// any number of times.
func (q *Queue) Shutdown() {
	q.mu.Lock()
	if q.shutdown.Load() {
		q.mu.Unlock()
		return
	}
	q.shutdown.Store(true)
	cancelled := q.disarmAllLocked()
	q.mu.Unlock()
	if len(cancelled) > 0 {
		q.completeAll(cancelled, false)
	}
	q.giveBack(1)
}

// giveBack drops n units that keep the queue from being finished: its own, which Shutdown gives
// back, or those of events in hand.
func (q *Queue) giveBack(n int) {
	if q.how == byCallback {
		if q.pending.Add(-int64(n)) == 0 {
			q.endDispatch()
		}
		return
	}
	if q.pending.Add(-int64(n)) > 0 {
		return
	}
	q.mu.Lock()
	q.wakeAllLocked()
	served := q.service.Recall()
	q.mu.Unlock()
	nudge(served)
}

// Close shuts the queue down and waits until it is finished and empty,
// discarding what it harvests (finalizers run, so buffers are freed). It is a
// convenience for queues nobody polls any more: if others poll, each event
// goes to one of them or to Close. On a queue made by NewCallback it waits
// until the shutdown function has returned, and so must not be called from a
// callback, nor from the body of a loop over Events. It returns ctx's error if
// that comes first; the queue is then shut down but not drained, and Close may be
// called again. Closing twice is fine.
func (q *Queue) Close(ctx context.Context) error {
	q.Shutdown()
	if q.how == byCallback {
		return q.calls.wait(ctx)
	}
	for {
		switch ev := q.harvest(anyTag, patience{ctx: ctx}); ev.Kind {
		case Shutdown:
			return nil
		case Timeout:
			return ev.Err
		}
	}
}

// Stats is what a queue has at one moment, for gauges: if Ready keeps growing, its pollers
// do not keep up.
type Stats struct {
	// Pending are operations that began and have not ended, and events in hand, see [Queue.Events].
	Pending int
	// Ready are events that nobody has taken; 0 on a queue made by NewCallback, which hands
	// them on.
	Ready int
	// Waiting are pollers that wait for an event.
	Waiting int
}

// Stats returns what the queue has now.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.statsLocked()
}

func (q *Queue) statsLocked() Stats {
	pending := int(q.pending.Load())
	if !q.shutdown.Load() {
		pending-- // the queue's own unit is not an operation
	}
	return Stats{Pending: pending, Ready: q.ready.len(), Waiting: len(q.parked)}
}

// String describes the queue in one line for logs: its kind, how far shut down it is, and
// its Stats.
func (q *Queue) String() string {
	q.mu.Lock()
	now, isDown, isFinished := q.statsLocked(), q.shutdown.Load(), q.pending.Load() == 0
	q.mu.Unlock()
	state := "open"
	switch {
	case isFinished:
		state = "finished"
	case isDown:
		state = "shut down"
	}
	return fmt.Sprintf("cq.Queue(%v, %s, pending %d, ready %d, waiting %d)",
		q.how, state, now.Pending, now.Ready, now.Waiting)
}
