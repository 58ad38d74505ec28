package own

import (
	"errors"

	"github.com/cqrpc/cqrpc/cq"
)

// station is completion queues with one poller each.
type station struct {
	queues  []*cq.Queue
	picked  int
	drained func() // waits until nothing is left in any queue
}

func newStation(n int) *station {
	s := &station{queues: make([]*cq.Queue, n)}
	for i := range s.queues {
		s.queues[i] = cq.New()
	}
	s.drained = cq.Poll(s.queues, 1, cq.Proceed)
	return s
}

func (s *station) pick() *cq.Queue {
	s.picked++
	return s.queues[s.picked%len(s.queues)]
}

func (s *station) close() {
	for _, q := range s.queues {
		q.Shutdown()
	}
	s.drained()
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
