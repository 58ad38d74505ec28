package own

import (
	"context"
	"errors"
	"sync"

	"github.com/cqrpc/cqrpc/cq"
)

// station is completion queues with one poller each.
type station struct {
	queues  []*cq.Queue
	picked  int
	pollers sync.WaitGroup
}

func newStation(n int) *station {
	s := &station{queues: make([]*cq.Queue, n)}
	for i := range s.queues {
		q := cq.New()
		s.queues[i] = q
		s.pollers.Go(func() { poll(q) })
	}
	return s
}

// poll runs the events of one queue, many to a lock.
func poll(q *cq.Queue) {
	var events [32]cq.Event
	for {
		n, kind := q.NextN(context.Background(), events[:])
		if kind != cq.OpComplete {
			return
		}
		for i := range events[:n] {
			cq.Proceed(events[i])
		}
	}
}

func (s *station) pick() *cq.Queue {
	s.picked++
	return s.queues[s.picked%len(s.queues)]
}

func (s *station) close() {
	for _, q := range s.queues {
		q.Shutdown()
	}
	s.pollers.Wait()
}

// ignored is a tag whose event nobody acts on.
type ignored struct{}

func (ignored) Proceed(bool) {}

// must ends the process if an operation was refused, which is a mistake of this package
// unless its queue was shut down.
func must(err error) {
	if err != nil && !errors.Is(err, cq.ErrShutdown) {
		panic(err)
	}
}
