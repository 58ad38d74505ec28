package call

import (
	"math"
	"sync/atomic"
	"time"
)

// alarm is a timer that ends calls at their deadlines, one call after the other. Most calls end
// long before, so the timer is not stopped with each. It rings at the earliest deadline that it was
// set to, sees which call it belongs to by then, and is set to that call's deadline. So thousands of
// calls a second with the same time limit set a timer once per time limit, not once per call.
//
// set and ring may run at the same time. set stores the call and then reads when the timer rings;
// ring stores that the timer rings no more and then looks for a call. So at least one of them sets
// the timer. If both do, for different calls, ring may have been the last: it checks again.
type alarm struct {
	timer *time.Timer // immutable

	// atomic
	call  atomic.Pointer[Call] // the call to end; nil: none
	rings atomic.Int64         // when the timer rings, in nanoseconds since began, or never
}

const never = math.MaxInt64

// began is what alarms count from, by the monotonic clock.
var began = time.Now()

func newAlarm() *alarm {
	a := new(alarm)
	a.rings.Store(never)
	a.timer = time.AfterFunc(time.Hour, a.ring)
	a.timer.Stop()
	return a
}

// set gives a, which is idle, to c: it ends c at its deadline.
func (a *alarm) set(c *Call) {
	a.call.Store(c)
	now := time.Now()
	a.ringBy(now, max(c.clock.deadline.Sub(now), 0))
}

// ringBy makes the timer ring after d, unless it rings before. A peer may name a deadline that is
// further away than rings can tell: then it is never.
func (a *alarm) ringBy(now time.Time, d time.Duration) {
	since := int64(now.Sub(began))
	due := since + int64(d)
	if due < since {
		due = never
	}
	if a.rings.Load() <= due {
		return
	}
	a.rings.Store(due)
	a.timer.Reset(d)
}

// ring is run by the timer.
func (a *alarm) ring() {
	for {
		a.rings.Store(never)
		c := a.call.Load()
		if c == nil {
			return
		}
		now := time.Now()
		left := c.clock.deadline.Sub(now)
		if left <= 0 {
			c.expire()
			return
		}
		a.ringBy(now, left)
		if a.call.Load() == c {
			return
		}
	}
}

// maxIdleAlarms is how many idle alarms a channel or server keeps.
const maxIdleAlarms = 256

// alarms is the stack of idle alarms of a channel or server. It is not one for the process,
// because a timer of one synctest bubble is of no use in another; nor a sync.Pool, which would
// drop alarms that are about to ring. It has no lock, because it is used while the lock of a
// call is held, and locks do not nest.
type alarms struct {
	idle  atomic.Pointer[[maxIdleAlarms]atomic.Pointer[alarm]] // nil: there never was one
	count atomic.Int32                                         // how many there are, or are about to be
}

// take returns an idle alarm. A nil s keeps none.
func (s *alarms) take() *alarm {
	if s == nil {
		return newAlarm()
	}
	idle := s.idle.Load()
	if idle == nil {
		return newAlarm()
	}
	for {
		n := s.count.Add(-1)
		if n < 0 {
			s.count.Add(1)
			return newAlarm()
		}
		if n < maxIdleAlarms {
			if a := idle[n].Swap(nil); a != nil {
				return a
			}
		}
	}
}

// put takes back an alarm whose call has ended. One too many is stopped.
func (s *alarms) put(a *alarm) {
	a.call.Store(nil)
	if s == nil {
		a.timer.Stop()
		return
	}
	idle := s.idle.Load()
	if idle == nil {
		s.idle.CompareAndSwap(nil, new([maxIdleAlarms]atomic.Pointer[alarm]))
		idle = s.idle.Load()
	}
	for {
		n := s.count.Add(1) - 1
		if n >= maxIdleAlarms {
			s.count.Add(-1)
			a.timer.Stop()
			return
		}
		if n >= 0 && idle[n].CompareAndSwap(nil, a) {
			return
		}
	}
}
