package call

import (
	"errors"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc"
)

// clock ends a call that has a deadline.
type clock struct {
	deadline time.Time // immutable once others have the call
	alarm    *alarm    // guarded by Call.mu; nil until armed, and in the end
}

// alarm is a timer of package time that calls use one after the other: most end long
// before their deadline, and a new timer for each is three objects.
type alarm struct {
	timer *time.Timer
	call  *Call // changes only while the timer is stopped
}

// alarms are those of a channel or server; nil keeps none for later. They are not the
// process's: a timer of one synctest bubble is of no use in another.
type alarms struct{ idle sync.Pool }

// set returns an alarm that ends c after d.
func (s *alarms) set(c *Call, d time.Duration) *alarm {
	if s != nil {
		if a, ok := s.idle.Get().(*alarm); ok {
			a.call = c
			a.timer.Reset(d)
			return a
		}
	}
	a := &alarm{call: c}
	a.timer = time.AfterFunc(d, a.ring)
	return a
}

// stop takes an alarm back. One that rings meanwhile is used no more.
func (s *alarms) stop(a *alarm) {
	if a.timer.Stop() && s != nil {
		a.call = nil
		s.idle.Put(a)
	}
}

func (a *alarm) ring() { a.call.expire() }

// setDeadline sets the deadline of a new call; zero means none.
func (c *Call) setDeadline(d time.Time) {
	if !d.IsZero() {
		c.clock = &clock{deadline: d}
	}
}

// armLocked sets the alarm of a call that has a deadline, once.
func (c *Call) armLocked() {
	k := c.clock
	if k == nil || k.alarm != nil || c.phase == over {
		return
	}
	k.alarm = c.shared().alarms.set(c, max(time.Until(k.deadline), 0))
}

// disarmLocked stops it.
func (c *Call) disarmLocked() {
	if k := c.clock; k != nil && k.alarm != nil {
		c.shared().alarms.stop(k.alarm)
		k.alarm = nil
	}
}

// expire ends the call because its deadline has passed.
func (c *Call) expire() {
	c.giveUp(cqrpc.Status{Code: cqrpc.CodeDeadlineExceeded, Message: "Deadline Exceeded"}, nil)
}

// giveUp is abandon because of time, or of whoever waits. If that was for a connection,
// it is said, and what stood in the way.
func (c *Call) giveUp(st cqrpc.Status, cause error) {
	c.mu.Lock()
	isWaiting := c.phase == running && c.asked
	c.mu.Unlock()
	if !isWaiting {
		c.abandon(st, cause)
		return
	}
	st.Message += " while waiting for a connection"
	if err := c.caller.opener.Obstacle(); err != nil {
		st.Message += ": " + err.Error()
		cause = errors.Join(cause, err)
	}
	c.abandon(st, cause)
}

// hasExpired reports whether the deadline has passed, whatever the timer did.
func (c *Call) hasExpired() bool {
	return c.clock != nil && !time.Now().Before(c.clock.deadline)
}
