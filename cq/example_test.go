package cq_test

import (
	"context"
	"fmt"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

// An operation begins on a queue, ends, and is harvested. Here the operation
// is the application's own.
func ExampleQueue() {
	q := cq.New()
	go func() {
		_ = q.Post("first", true)
		_ = q.Post("second", false)
		q.Shutdown()
	}()
	for ev := range q.Events(context.Background()) {
		fmt.Println(ev.Tag, ev.OK)
	}
	fmt.Println(q.Post("third", true))
	// Output:
	// first true
	// second false
	// cq: queue is shut down
}

// An alarm shares the queue with everything else, so that one goroutine can
// wait for either. Cancel ends it early, with an event of its own.
func ExampleAlarm() {
	q := cq.New()
	var retry cq.Alarm
	_ = retry.Set(q, time.Now().Add(time.Hour), "retry")
	_, _ = q.After(time.Millisecond, "tick")

	ev := q.Next(context.Background())
	fmt.Println(ev.Tag, ev.OK)

	retry.Cancel()
	ev = q.Next(context.Background())
	fmt.Println(ev.Tag, ev.OK, ev.Err)
	// Output:
	// tick true
	// retry false context canceled
}

// With callbacks nobody polls: the tag is what to do.
func ExampleNewCallback() {
	q := cq.NewCallback(cq.NewPool(1), func() { fmt.Println("finished") })
	for _, name := range []string{"first", "second"} {
		_ = q.Post(func(ev cq.Event) { fmt.Println(name, ev.OK) }, true)
	}
	_ = q.Close(context.Background())
	// Output:
	// first true
	// second true
	// finished
}

// A Waiter is the sync style: one operation, one goroutine waiting for it.
func ExampleWaiter() {
	var w cq.Waiter
	w.Begin()
	go w.Complete(cq.Completion{Tag: "answer", OK: true})
	ev, ok := w.Wait(context.Background())
	fmt.Println(ev.Tag, ev.OK, ok)
	// Output: answer true true
}

// call is a state machine that is its own tag.
type call struct {
	q    *cq.Queue
	left int
}

func (c *call) Proceed(bool) {
	fmt.Println("left:", c.left)
	if c.left--; c.left < 0 {
		c.q.Shutdown()
		return
	}
	_ = c.q.Post(c, true) // the next operation
}

// Tags that implement Proceeder make the event loop a one-liner.
func ExamplePoll() {
	q := cq.New()
	wait := cq.Poll([]*cq.Queue{q}, 1, cq.Proceed)
	_ = q.Post(&call{q: q, left: 2}, true)
	wait()
	// Output:
	// left: 2
	// left: 1
	// left: 0
}
