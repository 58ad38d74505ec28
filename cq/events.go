package cq

import (
	"context"
	"iter"
)

// Events ranges over Next: it yields completed operations until the queue is
// drained, ctx ends or the loop is left; a later loop goes on where it was left.
// What the body begins for an event is accepted, even for the last one after
// Shutdown. On a queue not made by New it yields a single Misuse event.
func (q *Queue) Events(ctx context.Context) iter.Seq[Event] { return q.EventsN(ctx, 1) }

// EventsN is Events for the only poller of a queue: it takes up to n events at a time, at most
// 32, under one lock, as NextN does. With other pollers beside it they would wait behind a slow
// event of this one. When the loop is left, or the body panics, those that it has not seen are
// ready again.
func (q *Queue) EventsN(ctx context.Context, n int) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		if q.how != byNext {
			yield(misuse(ErrWrongKind))
			return
		}
		h := &hand{queue: q, room: make([]Completion, min(max(n, 1), maxHarvest))}
		for h.take(ctx) && h.yield(yield) {
			continue
		}
	}
}

// hand is what a loop over Events has taken and is not done with. The queue counts these events as
// pending, so what is begun for them is accepted.
type hand struct {
	queue *Queue
	room  []Completion
	left  []Completion // of room: taken, and not yielded
	event Event        // a field because a finalizer is given its address
}

// take waits for events, and reports false when there are none to come.
func (h *hand) take(ctx context.Context) bool {
	n, kind := h.queue.take(h.room, selector{holds: true}, patience{ctx: ctx})
	h.left = h.room[:n]
	return kind == OpComplete
}

// yield yields what was taken, and reports whether to go on. Afterwards nothing is in hand,
// even if the body or a finalizer has panicked.
func (h *hand) yield(yield func(Event) bool) (goOn bool) {
	n := len(h.left)
	defer func() {
		if len(h.left) > 0 {
			h.queue.putBack(nil, h.left)
		}
		clear(h.room[:n])
		h.event = Event{}
		h.queue.giveBack(n)
	}()
	for len(h.left) > 0 {
		c := h.left[0]
		h.left = h.left[1:]
		if c.finalizeInto(&h.event) && !yield(h.event) {
			return false
		}
	}
	return true
}
