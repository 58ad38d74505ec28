package client

import "context"

// task is a goroutine that goes on trying, with pauses, until it has succeeded or is cancelled.
// Its owner has one at a time, and ignores the result of one that it has replaced.
type task struct{ cancel context.CancelFunc }

// startTask starts run, whose context ends when the task is cancelled. The owner may hold its
// lock.
func startTask(run func(context.Context, *task)) *task {
	ctx, cancel := context.WithCancel(context.Background())
	t := &task{cancel: cancel}
	go func() {
		defer cancel()
		run(ctx, t)
	}()
	return t
}
