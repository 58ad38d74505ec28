package load

import (
	"time"
)

// Turn is a slot's link to the load: it is told of every operation that has
// ended and says whether the next is to begin.
//
//	         Start               Done, true
//	resting ──────► at work ─────────────────┐
//	   ▲             │  ▲                    │
//	   └─Done, false─┘  └────────────────────┘
type Turn struct {
	meter  *meter
	rhythm rhythm
	slot   Slot
	since  time.Duration // when the operation should have begun, on the meter's clock
	count  uint32        // messages since the clock was read
	stride uint32        // how many messages are measured together
}

// rhythm is when operations begin.
type rhythm interface {
	// next is called when an operation of t has ended, at now.
	next(t *Turn, now time.Duration) bool
}

// Done says how an operation has ended. If it returns true the slot begins the
// next at once; if false it rests until Start, and keeps a stream open.
func (t *Turn) Done(err error) bool {
	if err != nil {
		t.meter.fail(err)
		t.meter.leave()
		return false
	}
	if t.count++; t.count < t.stride && !t.meter.stopped.Load() {
		return true
	}
	now := t.meter.now()
	t.meter.latency.Add((now-t.since)/time.Duration(t.count), uint64(t.count))
	t.count = 0
	if t.meter.stopped.Load() || !t.rhythm.next(t, now) {
		t.meter.leave()
		return false
	}
	return true
}

// begin starts the slot, with an operation that should have begun at due.
func (t *Turn) begin(due time.Duration) {
	t.since = due
	t.meter.enter()
	t.slot.Start()
}

// closed is the rhythm of a closed loop: the next operation begins when one has
// ended, and one reading of the clock is for both.
type closed struct{}

func (closed) next(t *Turn, now time.Duration) bool {
	t.since = now
	return true
}

// window is the rhythm of what is opened to be held: one operation each, and a
// bounded number under way.
type window chan struct{}

func (w window) next(*Turn, time.Duration) bool {
	<-w
	return false
}
