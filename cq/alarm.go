package cq

import (
	"context"
	"sync/atomic"
	"time"
)

// Alarm ends an operation at a point in time: its event has OK=true if the
// time came, and OK=false, with Err context.Canceled or ErrShutdown, if it was
// cancelled by Cancel or by the Shutdown of its queue. Every successful Set
// has exactly one event. The zero value is a disarmed alarm; it must not be
// copied. All methods may be called concurrently.
type Alarm struct {
	// owner is the queue the alarm is armed on, nil when disarmed. Set claims
	// it by compare-and-swap; only a holder of owner.mu sets it back to nil.
	owner atomic.Pointer[Queue]

	// guarded by owner.mu
	linked     bool // on owner's list: the time has yet to come
	prev, next *Alarm
	tag        Tag
	when       time.Time // with a monotonic reading
	timer      *time.Timer
}

// After arms a new alarm that ends in d; see [Alarm.Set].
func (q *Queue) After(d time.Duration, tag Tag) (*Alarm, error) {
	return q.At(time.Now().Add(d), tag)
}

// At arms a new alarm that ends at t; see [Alarm.Set].
func (q *Queue) At(t time.Time, tag Tag) (*Alarm, error) {
	a := new(Alarm)
	if err := a.Set(q, t, tag); err != nil {
		return nil, err
	}
	return a, nil
}

// Set arms the alarm: at the deadline, or at once if that has passed, an event
// with the given tag is added to q. It returns ErrAlarmArmed if the alarm is
// armed already, and ErrShutdown if q is finished. On a queue that is shut down
// but not finished the alarm ends at once with OK=false. A disarmed alarm may
// be set again whether or not its last event was taken.
func (a *Alarm) Set(q *Queue, deadline time.Time, tag Tag) error {
	if !a.owner.CompareAndSwap(nil, q) {
		return ErrAlarmArmed
	}
	if !q.Begin() {
		a.disown(q)
		return ErrShutdown
	}
	if c, due := q.arm(a, deadline, tag); due {
		q.Complete(c)
	}
	return nil
}

// disown takes back a claim. It needs the lock: a timer of an earlier arming
// may be looking at the alarm as one of q's.
func (a *Alarm) disown(q *Queue) {
	q.mu.Lock()
	a.owner.Store(nil)
	q.mu.Unlock()
}

// Cancel ends the alarm now, with OK=false, if it is armed. It does not wait
// and may be called any number of times.
func (a *Alarm) Cancel() { a.end(canceled) }

// fire is run by the timer. A timer stopped too late may still fire during the
// next arming; the clock tells.
func (a *Alarm) fire() { a.end(timeCame) }

func (a *Alarm) end(why alarmEnd) {
	q := a.owner.Load()
	if q == nil {
		return
	}
	q.mu.Lock()
	// The alarm may have ended, and have been set elsewhere, since the look at
	// owner: then it is not linked here.
	if a.owner.Load() != q || !a.linked || why == timeCame && time.Now().Before(a.when) {
		q.mu.Unlock()
		return
	}
	c := q.disarmLocked(a, why)
	q.mu.Unlock()
	q.Complete(c)
}

// arm starts the alarm, or if it is due returns the completion that ends it.
func (q *Queue) arm(a *Alarm, deadline time.Time, tag Tag) (c Completion, due bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shutdown.Load() {
		a.owner.Store(nil)
		return alarmShutdown.completion(tag), true
	}
	d := time.Until(deadline)
	if d <= 0 {
		a.owner.Store(nil)
		return timeCame.completion(tag), true
	}
	a.tag, a.when = tag, time.Now().Add(d)
	q.linkLocked(a)
	if a.timer == nil {
		a.timer = time.AfterFunc(d, a.fire)
	} else {
		a.timer.Reset(d)
	}
	return Completion{}, false
}

func (q *Queue) linkLocked(a *Alarm) {
	a.linked, a.prev, a.next = true, nil, q.alarms
	if q.alarms != nil {
		q.alarms.prev = a
	}
	q.alarms = a
}

// disarmLocked makes a linked alarm free to be set again and returns the
// completion that its caller now owes.
func (q *Queue) disarmLocked(a *Alarm, why alarmEnd) Completion {
	if a.prev != nil {
		a.prev.next = a.next
	} else {
		q.alarms = a.next
	}
	if a.next != nil {
		a.next.prev = a.prev
	}
	a.timer.Stop()
	c := why.completion(a.tag)
	a.linked, a.prev, a.next, a.tag = false, nil, nil, nil
	a.owner.Store(nil)
	return c
}

// disarmAllLocked ends all armed alarms because the queue is shut down.
func (q *Queue) disarmAllLocked() []Completion {
	var cs []Completion
	for q.alarms != nil {
		cs = append(cs, q.disarmLocked(q.alarms, alarmShutdown))
	}
	return cs
}

// alarmEnd is why an alarm ended. As a Finalizer it puts the reason into the
// event; a byte in an interface costs no allocation.
type alarmEnd uint8

const (
	timeCame alarmEnd = iota
	canceled
	alarmShutdown
)

func (e alarmEnd) completion(tag Tag) Completion {
	if e == timeCame {
		return Completion{Tag: tag, OK: true}
	}
	return Completion{Tag: tag, Finalizer: e}
}

// Finalize implements Finalizer.
func (e alarmEnd) Finalize(ev *Event) bool {
	switch e {
	case canceled:
		ev.Err = context.Canceled
	case alarmShutdown:
		ev.Err = ErrShutdown
	}
	return true
}
