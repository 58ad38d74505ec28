package cq

import (
	"context"
	"sync/atomic"
	"time"
)

// patience is how long a harvester waits: until ctx ends if ctx is set, else
// until the deadline, else forever.
type patience struct {
	ctx      context.Context //nolint:containedctx // an argument, passed together with its alternative
	deadline time.Time
}

// err is why the patience ended.
func (p patience) err() error {
	if p.ctx != nil {
		return p.ctx.Err()
	}
	return context.DeadlineExceeded
}

// isOver reports whether the patience has ended.
func (p patience) isOver() bool {
	if p.ctx != nil {
		return p.ctx.Err() != nil
	}
	return !p.deadline.IsZero() && !time.Now().Before(p.deadline)
}

// watch sets isRecalled and nudges s when the patience ends, until stop is called.
func (p patience) watch(isRecalled *atomic.Bool, s Source) (stop func()) {
	switch {
	case p.ctx != nil && p.ctx.Done() != nil:
		unwatch := context.AfterFunc(p.ctx, over(isRecalled, s))
		return func() { unwatch() }
	case p.ctx == nil && !p.deadline.IsZero():
		timer := time.AfterFunc(time.Until(p.deadline), over(isRecalled, s))
		return func() { timer.Stop() }
	}
	return nothing
}

func over(isRecalled *atomic.Bool, s Source) func() {
	return func() {
		isRecalled.Store(true)
		s.Nudge()
	}
}

func nothing() {}
