package call

import (
	"time"

	"github.com/cqrpc/cqrpc"
)

// armLocked starts the timer of a call that has a deadline, once.
func (c *Call) armLocked() {
	if c.deadline.IsZero() || c.timer != nil || c.phase == over {
		return
	}
	c.timer = time.AfterFunc(max(time.Until(c.deadline), 0), c.expire)
}

// expire ends the call because its deadline has passed.
func (c *Call) expire() {
	c.abandon(cqrpc.Status{Code: cqrpc.CodeDeadlineExceeded, Message: "Deadline Exceeded"}, nil)
}

// hasExpired reports whether the deadline has passed, whatever the timer did.
func (c *Call) hasExpired() bool {
	return !c.deadline.IsZero() && !time.Now().Before(c.deadline)
}
