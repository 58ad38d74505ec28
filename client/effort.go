package client

import "context"

// effort is a goroutine that goes on trying, with pauses, until it has succeeded or is given
// up. Its owner has one at a time; what one achieves that the owner has replaced is ignored.
type effort struct{ giveUp context.CancelFunc }

// newEffort starts run, whose context ends when the effort is given up. The owner may hold
// its lock.
func newEffort(run func(context.Context, *effort)) *effort {
	ctx, cancel := context.WithCancel(context.Background())
	e := &effort{giveUp: cancel}
	go func() {
		defer cancel()
		run(ctx, e)
	}()
	return e
}
