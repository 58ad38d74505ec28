package cq

import (
	"context"
	"fmt"
	"sync"
)

// Poll starts n goroutines for each queue, made by New, that call f with every
// event until the queue is drained; n < 1 means 1. The returned function waits
// for all of them; Shutdown of the queues is the caller's. N queues with one
// poller each keep the work of a call on one goroutine, which takes up to 32 events
// at a time ([Queue.EventsN]); one queue with N pollers lets no event wait behind a slow
// one. A panic of f ends the process.
func Poll(queues []*Queue, n int, f func(Event)) (wait func()) {
	batch := 1
	if n <= 1 { // nobody else could take what a poller holds
		batch = maxHarvest
	}
	var pollers sync.WaitGroup
	for _, q := range queues {
		for range max(n, 1) {
			pollers.Go(func() {
				for ev := range q.EventsN(context.Background(), batch) {
					f(ev)
				}
			})
		}
	}
	return pollers.Wait
}

// Proceeder is a tag that is a state machine: Proceed is its next step.
type Proceeder interface {
	Proceed(ok bool)
}

// Proceed takes the step that ev stands for. It is made to be the function of
// [Poll]. The tag is a Proceeder; or, as on a queue made by [NewCallback], a
// [Callback] or func(Event), which learn the reason of a false from Event.Err.
func Proceed(ev Event) {
	switch tag := ev.Tag.(type) {
	case Proceeder:
		tag.Proceed(ev.OK)
	case Callback:
		tag.Run(ev)
	case func(Event):
		tag(ev)
	default:
		panic(fmt.Sprintf("cq: %v event with a tag of type %T, which is no Proceeder, Callback or func(Event)",
			ev.Kind, ev.Tag))
	}
}
