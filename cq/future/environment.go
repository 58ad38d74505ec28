package future

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/station"
)

// Environment is N completion queues with one poller goroutine each (grpc-rs
// Environment). A client's stub lives on one of the queues, the calls of a server are
// dealt out to all. Everything about one call happens on one goroutine. One environment
// may serve any number of stubs and servers, and must outlive them. All methods may be
// called concurrently.
type Environment struct {
	// immutable
	cfg      config
	stations []*station.Station

	next    atomic.Uint32 // station to pick
	pollers sync.WaitGroup

	closing sync.Once
	err     error // of Close
}

// NewEnvironment returns an environment of n queues and starts their pollers;
// n < 1 means GOMAXPROCS. Close ends it.
func NewEnvironment(n int, opts ...Option) *Environment {
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	e := &Environment{cfg: newConfig(opts)}
	for i := range n {
		e.stations = append(e.stations, station.New(i, &e.cfg.hooks, &e.pollers))
	}
	for _, s := range e.stations {
		s.Start()
	}
	return e
}

// Pick returns the next queue, round robin. The tags of what completes on it
// must be a cq.Callback or a func(cq.Event); the poller runs them.
func (e *Environment) Pick() *cq.Queue { return e.Station().Queue() }

// Station is Pick for the styles client/future and server/future: the next queue with its
// poller and its calls.
func (e *Environment) Station() *station.Station {
	i := e.next.Add(1) - 1
	return e.stations[int(i%uint32(len(e.stations)))] //nolint:gosec // i counts from zero and may wrap
}

// Spawn runs f on the poller of the next queue; the package comment says what f may do.
// The error is cq.ErrShutdown after Close, and then f is not run.
func (e *Environment) Spawn(f func()) error { return e.Station().Spawn(f) }

// After returns a future that the poller of the next queue resolves in d, at once if d
// is not positive; it fails with cq.ErrShutdown when the environment is closed. Until
// then it costs an alarm and no goroutine. To wait for something else for at most d, see
// Timeout.
func (e *Environment) After(d time.Duration) *Future[struct{}] {
	r := new(rest)
	if err := r.alarm.Set(e.Pick(), time.Now().Add(d), r); err != nil {
		r.promise.Fail(err)
	}
	return r.promise.Future()
}

// rest is one After.
type rest struct {
	alarm   cq.Alarm
	promise Promise[struct{}]
}

// Run implements cq.Callback.
func (r *rest) Run(ev cq.Event) { r.promise.Settle(struct{}{}, ev.Err) }

// Close cancels the calls that are in flight on the environment, shuts its
// queues down and waits until their pollers have taken every event: when it
// returns, all futures of calls are resolved. The error is an *[OpenError] with
// what was in flight. What is started afterwards fails with cq.ErrShutdown. Close
// may be called again, and returns the same error. It must not be called on a poller,
// which would wait for itself.
func (e *Environment) Close() error {
	e.closing.Do(func() {
		var open []string
		for _, s := range e.stations {
			open = append(open, s.Evict()...)
		}
		for _, s := range e.stations {
			s.Queue().Shutdown()
		}
		e.pollers.Wait()
		if len(open) > 0 {
			slices.Sort(open)
			e.err = &OpenError{Calls: open}
		}
	})
	return e.err
}

// String is one line for logs: the name, the queues, the calls in flight.
func (e *Environment) String() string {
	calls := 0
	for _, s := range e.stations {
		calls += s.InFlight()
	}
	return fmt.Sprintf("future.Environment(%s, %s, %s in flight)",
		e.cfg.name, plural(len(e.stations), "queue"), plural(calls, "call"))
}
