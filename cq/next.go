package cq

import (
	"context"
	"slices"
	"sync"
	"time"
)

// maxHarvest is the most events one NextN returns: enough to make the lock
// and the wake negligible, few enough to be collected on the stack.
const maxHarvest = 32

// Next takes the oldest event, waiting for one until ctx ends. The event's
// Kind is OpComplete; Shutdown once the queue is finished and empty, and ever
// after; Timeout, with ctx's error, if ctx ended and no event was available
// (an available one is preferred); or Misuse if the queue was not made by New.
// Any number of goroutines may call it; each event goes to one of them.
func (q *Queue) Next(ctx context.Context) Event {
	if q.how != byNext {
		return misuse(ErrWrongKind)
	}
	return q.harvest(anyTag, patience{ctx: ctx})
}

// NextUntil is Next with a deadline instead of a context (C++ AsyncNext). A deadline
// in the past makes one check without waiting; the zero time is no deadline.
func (q *Queue) NextUntil(deadline time.Time) Event {
	if q.how != byNext {
		return misuse(ErrWrongKind)
	}
	return q.harvest(anyTag, patience{deadline: deadline})
}

// NextN is Next for many events at once: it waits for the first, then takes up
// to len(dst), at most 32, under one lock, oldest first. It returns how many,
// at least one with kind OpComplete, and none with any other kind, which means
// what it does for Next. An empty dst is a Misuse. If a codec or a filter panics while it
// makes one of the events, the others are ready again. What dst holds stays reachable, tags and
// all that they refer to: clear it before waiting again if they are large ([Poll] does).
func (q *Queue) NextN(ctx context.Context, dst []Event) (int, Kind) {
	if q.how != byNext || len(dst) == 0 {
		return 0, Misuse
	}
	var batch [maxHarvest]Completion
	for {
		n, kind := q.take(batch[:min(len(dst), maxHarvest)], anyTag, patience{ctx: ctx})
		if kind != OpComplete {
			return 0, kind
		}
		if kept := q.finalizeAll(dst[:n], batch[:n]); kept > 0 {
			return kept, OpComplete
		}
	}
}

// finalizeAll makes the events of cs and returns how many there are: some may be
// swallowed. If a finalizer panics, or ends the goroutine, its event is lost, but no
// other: they are ready again.
func (q *Queue) finalizeAll(dst []Event, cs []Completion) (kept int) {
	done, hasReturned := 0, false
	defer func() {
		if !hasReturned {
			q.putBack(dst[:kept], cs[done:])
		}
	}()
	for done < len(cs) {
		done++
		if cs[done-1].finalizeInto(&dst[kept]) {
			kept++
		}
	}
	hasReturned = true
	clear(dst[kept:])
	return kept
}

// putBack makes ready again, as the oldest and in their order, events, and completions
// that are no events yet.
func (q *Queue) putBack(events []Event, cs []Completion) {
	q.mu.Lock()
	for i := range slices.Backward(cs) {
		q.ready.pushFront(cs[i])
	}
	for _, ev := range slices.Backward(events) {
		q.ready.pushFront(Completion{Tag: ev.Tag, OK: ev.OK, Finalizer: finalized(ev)})
	}
	var served Source
	if q.wakeForLocked(len(events) + len(cs)) {
		served = q.service.Recall()
	}
	q.mu.Unlock()
	nudge(served)
}

// finalized is the finalizer of an event whose finalizer has run.
type finalized Event

// Finalize implements Finalizer.
func (f finalized) Finalize(ev *Event) bool {
	*ev = Event(f)
	return true
}

// harvest takes completions until one is not swallowed by its finalizer.
func (q *Queue) harvest(want selector, p patience) Event {
	var c [1]Completion
	for {
		switch _, kind := q.take(c[:], want, p); kind {
		case OpComplete:
			if ev, keep := c[0].event(); keep {
				return ev
			}
		case Timeout:
			return Event{Kind: Timeout, Err: p.err()}
		default:
			return Event{Kind: kind}
		}
	}
}

// take moves completions to dst, waiting for the first as long as p allows.
// The kind is OpComplete with the number taken, or Timeout or Shutdown.
// The order of the checks is C-core's: events, then the end of the queue, then the
// end of the patience.
func (q *Queue) take(dst []Completion, want selector, p patience) (int, Kind) {
	var w *poller
	expired := false
	q.mu.Lock()
	q.tendLocked()
	for {
		n := q.popLocked(dst, want)
		kind := OpComplete
		switch {
		case n > 0:
		case q.pending.Load() == 0:
			kind = Shutdown
		case expired:
			kind = Timeout
		case q.service.IsDue():
			q.serveLocked(p)
			q.mu.Unlock()
			expired = p.isOver()
			q.mu.Lock()
			continue
		default:
			w = q.parkLocked(w, want)
			q.mu.Unlock()
			expired = w.wait(p)
			q.mu.Lock()
			q.settleLocked(w, expired)
			continue
		}
		if w != nil {
			q.free = append(q.free, w)
		}
		q.mu.Unlock()
		return n, kind
	}
}

// popLocked moves ready completions to dst: as many as fit, or one by tag.
func (q *Queue) popLocked(dst []Completion, want selector) int {
	if want.byTag {
		return q.pluckLocked(dst, want)
	}
	n := min(len(dst), q.ready.len())
	for i := range dst[:n] {
		dst[i] = q.ready.pop()
	}
	if want.holds {
		q.pending.Add(int64(n))
	}
	return n
}

// event runs the finalizer and returns the event to deliver, or false if the
// finalizer swallowed it.
func (c *Completion) event() (Event, bool) {
	if c.Finalizer == nil {
		return Event{Kind: OpComplete, OK: c.OK, Tag: c.Tag}, true
	}
	// An Event on the stack would be moved to the heap by the interface call.
	p := events.Get().(*Event)
	keep := c.finalizeInto(p)
	ev := *p
	*p = Event{}
	events.Put(p)
	return ev, keep
}

var events = sync.Pool{New: func() any { return new(Event) }}

// Harvest finalizes a completion whose event nobody gets, and returns the OK
// that it would have had. For code that is a Completer itself.
func (c Completion) Harvest() (ok bool) {
	ev, _ := c.event()
	return ev.OK
}

// finalizeInto makes *ev the event of c and reports whether to deliver it.
func (c *Completion) finalizeInto(ev *Event) bool {
	*ev = Event{Kind: OpComplete, OK: c.OK, Tag: c.Tag}
	return c.Finalizer == nil || c.Finalizer.Finalize(ev)
}
