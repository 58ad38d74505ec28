package call

import (
	"errors"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/frame"
)

// clock ends a call that has a deadline.
type clock struct {
	deadline time.Time // immutable once others have the call
	alarm    *alarm    // guarded by Call.mu; nil until armed, and once the call is over
}

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
	k.alarm = c.shared().alarms.take()
	k.alarm.set(c)
}

// disarmLocked gives the alarm back, for another call or to be stopped.
func (c *Call) disarmLocked() {
	if k := c.clock; k != nil && k.alarm != nil {
		c.shared().alarms.put(k.alarm)
		k.alarm = nil
	}
}

// statusExpired is that of a call whose deadline has passed, as in C-core. A context with a deadline
// has a timer of its own; whichever is first, the application gets the same.
var statusExpired = cqrpc.Status{Code: cqrpc.CodeDeadlineExceeded, Message: "Deadline Exceeded"}

// expire ends the call because its deadline has passed.
func (c *Call) expire() { c.giveUp(statusExpired, nil) }

// giveUp is abandon because the deadline has passed, or the caller's context has ended. If the
// call was still waiting for a connection, for a stream of one, or to be sent again, or had a
// response that was not gRPC, the status says so, and what stood in the way.
func (c *Call) giveUp(st cqrpc.Status, cause error) {
	what, obstacle := c.obstacle()
	if what != "" {
		st.Message += " while waiting for " + what
	}
	if obstacle != nil {
		st.Message += ": " + obstacle.Error()
		cause = joined{st.Message, errors.Join(cause, obstacle)}
	}
	c.abandon(st, cause)
}

// obstacle is what a request that has not been sent is waiting for, or what must end before the call
// can fail, "" for nothing, and what stands in the way, if that is known.
func (c *Call) obstacle() (what string, err error) {
	c.mu.Lock()
	open, stream, failure := noStream, Stream(nil), (*verdict)(nil)
	if c.phase == running {
		open = c.open
	}
	switch {
	case c.end.page != nil:
		failure = c.end.withPage(byAbandon)
	case open == bound && !c.send.sent.Headers:
		stream = c.stream
	case open == resting:
		failure = c.caller.replay.retry.failure
	}
	c.mu.Unlock()
	switch {
	case open == asking:
		return "a connection", c.caller.opener.Obstacle()
	case open == resting:
		return "another attempt", failure.err()
	case failure != nil:
		return "the end of a response", failure.err()
	case stream == nil:
		return "", nil
	}
	if err = stream.Obstacle(); err != nil {
		what = "a stream"
	}
	return what, err
}

// minGivenUpAge is the shortest life of a request that is given up for its deadline. With 1000
// streams at a time a client can then give up 200 000 requests in a second, which is about as
// many as it can have answered.
const minGivenUpAge = 5 * time.Millisecond

// isGivenUp reports whether the client of a server's call, which has just reset it, has most likely
// done so because its deadline has passed. The client's began to run before ours, and its clock is
// another, so three quarters of the time must have passed here.
func (c *Call) isGivenUp() bool {
	if c.clock == nil || !c.isServer() {
		return false
	}
	limit, err := frame.ParseTimeout(c.request.timeout)
	left := time.Until(c.clock.deadline)
	return err == nil && left <= limit/4 && limit-left >= minGivenUpAge
}

// hasExpired reports whether the deadline has passed, whatever the timer did.
func (c *Call) hasExpired() bool {
	return c.clock != nil && !time.Now().Before(c.clock.deadline)
}
