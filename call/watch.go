package call

import (
	"context"

	"github.com/cqrpc/cqrpc"
)

// watching is the context whose end ends a call; the zero value is none.
type watching struct {
	ctx  context.Context
	stop func() bool
}

// isDue reports whether the context has ended. The call may not know yet: a goroutine
// of package context tells it.
func (w *watching) isDue() bool { return w.ctx != nil && w.ctx.Err() != nil }

// Watch makes the end of ctx end the call, see CancelFor. A batch that is started after
// that end finds the call ended, so an application that cancels and then receives gets
// nothing more. Nothing is left behind once the call is over. Call it at most once per
// call; a context that never ends costs nothing. Clients only.
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
		c.caller.watch = watching{ctx, stop}
	}
	c.mu.Unlock()
	if isOver {
		stop()
	}
}

// CancelFor ends the call because ctx has ended, with the status and the cause
// of ContextError.
func (c *Call) CancelFor(ctx context.Context) {
	e := ContextError(ctx)
	c.giveUp(e.Status, e.Cause)
}

// ContextError is the error of a call that ends because ctx has ended, for styles that end it
// themselves: its code is DEADLINE_EXCEEDED or CANCELLED, whatever the cause of ctx; its Cause,
// and for CANCELLED its message, are that cause.
func ContextError(ctx context.Context) *cqrpc.Error {
	cause := context.Cause(ctx)
	st := cqrpc.Status{Code: cqrpc.CodeCanceled, Message: cqrpc.StatusOf(cause).Message}
	if ctx.Err() == context.DeadlineExceeded {
		st = statusExpired
	}
	return &cqrpc.Error{Status: st, Origin: cqrpc.OriginLocal, Cause: cause}
}
