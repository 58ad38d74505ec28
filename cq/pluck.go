package cq

import (
	"context"
	"reflect"
	"time"
)

// Pluck takes the oldest event with the given tag, compared with ==, and
// leaves the others, waiting for one until ctx ends. The event's Kind is
// OpComplete; Shutdown if the queue is finished and holds no event of this
// tag, so that none can follow; Timeout, with ctx's error, if ctx ended first;
// or Misuse if the queue was not made by NewPluck or the tag has no ==.
// Any number of goroutines may call it, for the same tag too: each event goes
// to one of them. The cost grows with the events ready and the pluckers
// blocked, so it suits a handful of tags; see [Waiter] for one per call.
func (q *Queue) Pluck(ctx context.Context, tag Tag) Event {
	return q.pluck(tag, patience{ctx: ctx})
}

// PluckUntil is Pluck with a deadline instead of a context. A deadline in the past
// makes one check without waiting; the zero time is no deadline.
func (q *Queue) PluckUntil(deadline time.Time, tag Tag) Event {
	return q.pluck(tag, patience{deadline: deadline})
}

func (q *Queue) pluck(tag Tag, p patience) Event {
	if q.how != byPluck {
		return misuse(ErrWrongKind)
	}
	if !hasEquality(tag) {
		return misuse(ErrUncomparableTag)
	}
	return q.harvest(selector{byTag: true, tag: tag}, p)
}

// hasEquality reports whether tag can be compared. Comparing two values panics
// only if both are uncomparable, so one look at the tag wanted makes comparing
// it with whatever completes later safe.
func hasEquality(tag Tag) bool {
	if tag == nil {
		return true
	}
	t := reflect.TypeOf(tag)
	if k := t.Kind(); k == reflect.Struct || k == reflect.Array {
		return reflect.ValueOf(tag).Comparable() // depends on the interfaces inside
	}
	return t.Comparable()
}

// pluckLocked moves the oldest ready completion that is wanted to dst[0].
func (q *Queue) pluckLocked(dst []Completion, want selector) int {
	for i := range q.ready.len() {
		if want.matches(q.ready.at(i).Tag) {
			dst[0] = q.ready.remove(i)
			return 1
		}
	}
	return 0
}
