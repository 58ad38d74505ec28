package call

import (
	"time"

	"github.com/cqrpc/cqrpc"
)

// clock ends a call that has a deadline.
type clock struct {
	deadline time.Time   // immutable once others have the call
	timer    *time.Timer // guarded by Call.mu; nil until armed, and in the end
}

// setDeadline sets the deadline of a new call; zero means none.
func (c *Call) setDeadline(d time.Time) {
	if !d.IsZero() {
		c.clock = &clock{deadline: d}
	}
}

// armLocked starts the timer of a call that has a deadline, once.
func (c *Call) armLocked() {
	k := c.clock
	if k == nil || k.timer != nil || c.phase == over {
		return
	}
	k.timer = time.AfterFunc(max(time.Until(k.deadline), 0), c.expire)
}

// disarmLocked stops it.
func (c *Call) disarmLocked() {
	if k := c.clock; k != nil && k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
}

// expire ends the call because its deadline has passed.
func (c *Call) expire() {
	c.abandon(cqrpc.Status{Code: cqrpc.CodeDeadlineExceeded, Message: "Deadline Exceeded"}, nil)
}

// hasExpired reports whether the deadline has passed, whatever the timer did.
func (c *Call) hasExpired() bool {
	return c.clock != nil && !time.Now().Before(c.clock.deadline)
}
