package call

import (
	"context"

	"github.com/cqrpc/cqrpc"
)

// Watch lets the end of ctx end the call, see CancelFor. Nothing is left
// behind once the call is over. At most once per call; a context that never
// ends costs nothing.
func (c *Call) Watch(ctx context.Context) {
	if ctx.Done() == nil {
		return
	}
	if ctx.Err() != nil {
		c.CancelFor(ctx)
		return
	}
	stop := context.AfterFunc(ctx, func() { c.CancelFor(ctx) })
	c.mu.Lock()
	isOver := c.phase == over
	if !isOver {
		c.unwatch = stop
	}
	c.mu.Unlock()
	if isOver {
		stop()
	}
}

// CancelFor ends the call because ctx has ended: with DEADLINE_EXCEEDED or
// CANCELLED, and the message of the context's cause.
func (c *Call) CancelFor(ctx context.Context) {
	st := cqrpc.StatusOf(context.Cause(ctx))
	if ctx.Err() == context.DeadlineExceeded {
		st = cqrpc.StatusOf(ctx.Err())
	} else {
		st.Code = cqrpc.CodeCanceled
	}
	c.CancelWithStatus(st.Code, st.Message)
}
