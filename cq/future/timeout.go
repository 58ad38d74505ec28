package future

import (
	"context"
	"fmt"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

// Timeout returns a future of f's result. If f is not resolved within d, the poller of
// the next queue of e fails it with an error that wraps context.DeadlineExceeded; if e is
// closed before, it fails with cq.ErrShutdown. f itself goes on; to end a call use its
// own Cancel or deadline. If f is resolved in time nothing is left behind, unlike with an
// After that nobody waits for.
func Timeout[T any, F Awaitable[T]](e *Environment, f F, d time.Duration) *Future[T] {
	b := &bounded[T]{f: f.self()}
	b.watcher.react = b.finish
	if v, err, ok := b.f.Poll(); ok {
		b.promise.Settle(v, err)
		return b.promise.Future()
	}
	if err := b.alarm.Set(e.Pick(), time.Now().Add(d), b); err != nil {
		b.promise.Fail(err)
		return b.promise.Future()
	}
	b.f.watch(&b.watcher)
	if _, _, isOver := b.promise.Future().Poll(); isOver { // perhaps before the watcher was there
		b.f.unwatch(&b.watcher)
	}
	return b.promise.Future()
}

// bounded is one Timeout.
type bounded[T any] struct {
	f       *Future[T]
	watcher watcher[T]
	alarm   cq.Alarm
	promise Promise[T]
}

func (b *bounded[T]) finish(v T, err error) {
	b.promise.Settle(v, err) // first: a cancelled alarm is an error, too
	b.alarm.Cancel()
}

// errTimeout is the error of what is not resolved in time.
var errTimeout = fmt.Errorf("future: not resolved in time: %w", context.DeadlineExceeded)

// Run implements cq.Callback: the time is over, or the alarm was cancelled.
func (b *bounded[T]) Run(ev cq.Event) {
	err := ev.Err
	if ev.OK {
		err = errTimeout
	}
	if err != nil && b.promise.Fail(err) {
		b.f.unwatch(&b.watcher)
	}
}
