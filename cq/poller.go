package cq

import "time"

// poller is one goroutine blocked in Next or Pluck. It belongs to its queue:
// a channel or timer that outlived its queue could not be used from another
// testing/synctest bubble.
//
// Wakes are never lost: a token is sent under Queue.mu to a poller taken off
// the parked list, and a poller that gave up at the same moment finds itself
// off the list, consumes the token and takes an event like any other. Nor does
// an event wake more than one poller: while any is parked, there are no more
// ready events than pollers awake.
type poller struct {
	// immutable
	wake chan struct{} // capacity 1

	// poller's goroutine only
	timer *time.Timer // made by the first deadline, kept for the next

	// guarded by Queue.mu
	want selector
	slot int // index in Queue.parked, or unparked
}

const unparked = -1

// selector is which completions a harvester takes.
type selector struct {
	byTag bool
	tag   Tag  // comparable if byTag
	holds bool // the event is in hand until giveBack
}

// anyTag selects every completion.
var anyTag = selector{}

func (s selector) matches(tag Tag) bool { return !s.byTag || s.tag == tag }

// wait blocks until the poller is woken or the patience ends, and reports the
// latter. With both at once the answer may be either.
func (w *poller) wait(p patience) (expired bool) {
	var done <-chan struct{}
	switch {
	case p.ctx != nil:
		done = p.ctx.Done()
	case !p.deadline.IsZero():
		return w.waitUntil(p.deadline)
	}
	if done == nil {
		<-w.wake
		return false
	}
	select {
	case <-w.wake:
		return false
	case <-done:
		return true
	}
}

func (w *poller) waitUntil(deadline time.Time) (expired bool) {
	d := time.Until(deadline)
	if d <= 0 {
		return true
	}
	if w.timer == nil {
		w.timer = time.NewTimer(d)
	} else {
		w.timer.Reset(d)
	}
	select {
	case <-w.wake:
		w.timer.Stop()
		return false
	case <-w.timer.C:
		return true
	}
}

// parkLocked puts a poller on the parked list: w, or if nil one that is free.
func (q *Queue) parkLocked(w *poller, want selector) *poller {
	if w == nil {
		w = q.idlePollerLocked()
	}
	w.want, w.slot = want, len(q.parked)
	q.parked = append(q.parked, w)
	return w
}

func (q *Queue) idlePollerLocked() *poller {
	n := len(q.free)
	if n == 0 {
		return &poller{wake: make(chan struct{}, 1), slot: unparked}
	}
	w := q.free[n-1]
	q.free[n-1] = nil
	q.free = q.free[:n-1]
	return w
}

// unparkLocked takes w off the parked list in constant time.
func (q *Queue) unparkLocked(w *poller) {
	last := len(q.parked) - 1
	moved := q.parked[last]
	q.parked[w.slot], moved.slot = moved, w.slot
	q.parked[last] = nil
	q.parked = q.parked[:last]
	w.want, w.slot = selector{}, unparked
}

// settleLocked ends a wait that returned expired.
func (q *Queue) settleLocked(w *poller, expired bool) {
	if w.slot != unparked {
		q.unparkLocked(w)
		return
	}
	q.awake--
	if expired {
		<-w.wake // woken and expired at once: the token is there
	}
}

// wakeLocked wakes a parked poller.
func (q *Queue) wakeLocked(w *poller) {
	q.unparkLocked(w)
	q.awake++
	w.wake <- struct{}{} // never blocks: one token per parking
}

// wakeForLocked wakes as many parked pollers as the n newest completions need. It reports
// whether there were too few.
func (q *Queue) wakeForLocked(n int) (areFew bool) {
	if q.how == byPluck {
		for ready := q.ready.len(); n > 0; n-- {
			q.wakePluckerLocked(q.ready.at(ready - n).Tag)
		}
		return false
	}
	need := q.ready.len() - q.awake
	if q.service.isServed() && q.service.isRecalled.Load() {
		need--
	}
	// The latest to park is the likeliest to have its stack in a cache.
	for ; need > 0 && len(q.parked) > 0; need-- {
		q.wakeLocked(q.parked[len(q.parked)-1])
	}
	return need > 0
}

// wakePluckerLocked wakes one poller that wants tag, if there is any.
func (q *Queue) wakePluckerLocked(tag Tag) {
	for _, w := range q.parked {
		if w.want.matches(tag) {
			q.wakeLocked(w)
			return
		}
	}
}

// wakeAllLocked wakes every poller, because the queue is finished.
func (q *Queue) wakeAllLocked() {
	for len(q.parked) > 0 {
		q.wakeLocked(q.parked[len(q.parked)-1])
	}
}
