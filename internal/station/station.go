package station

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/cqrpc/cqrpc/cq"
)

// Hooks are what the application wants to be told. They are options of the environment.
type Hooks struct {
	AfterStart, BeforeStop func(index int) // on the poller's goroutine; nil: nothing
	Panicked               func(v any, stack []byte)
	Leaked                 func(Leak) // nil: nobody looks for leaks
}

// Station is one queue of an environment, its poller, and the calls that live
// on it.
type Station struct {
	// immutable
	hooks   *Hooks
	pollers *sync.WaitGroup
	queue   *cq.Queue
	index   int

	mu sync.Mutex
	// guarded by mu
	isClosed bool
	stays    stayList
}

// New returns a station whose poller Start starts, as one of pollers. index counts the
// stations of the environment from 0.
func New(index int, h *Hooks, pollers *sync.WaitGroup) *Station {
	return &Station{hooks: h, pollers: pollers, queue: cq.New(), index: index}
}

// Start starts the poller, which ends when the queue is shut down and drained.
func (s *Station) Start() { s.pollers.Go(s.begin) }

// Queue returns the queue; see future.Environment.Pick.
func (s *Station) Queue() *cq.Queue { return s.queue }

// Spawn is future.Environment.Spawn on this station.
func (s *Station) Spawn(f func()) error { return s.queue.Post(task(f), true) }

// task is a tag that is a function.
type task func()

// Run implements cq.Callback.
func (t task) Run(cq.Event) { t() }

// begin is the poller's goroutine.
func (s *Station) begin() {
	hasBegun := false
	defer func() {
		if !hasBegun { // afterStart ended its goroutine (runtime.Goexit)
			s.pollers.Go(s.poll)
		}
	}()
	if f := s.hooks.AfterStart; f != nil {
		f(s.index)
	}
	hasBegun = true
	s.poll()
}

// poll takes events until the queue is drained.
func (s *Station) poll() {
	isDrained := false
	defer func() {
		if !isDrained { // a callback ended its goroutine (runtime.Goexit)
			s.pollers.Go(s.poll)
		}
	}()
	for ev := range s.queue.EventsN(context.Background(), 32) {
		s.step(ev)
	}
	isDrained = true
	if f := s.hooks.BeforeStop; f != nil {
		f(s.index)
	}
}

// step runs the tag of one event.
func (s *Station) step(ev cq.Event) {
	defer func() {
		if v := recover(); v != nil {
			s.hooks.Panicked(v, debug.Stack())
		}
	}()
	switch tag := ev.Tag.(type) {
	case cq.Callback:
		tag.Run(ev)
	case func(cq.Event):
		tag(ev)
	default:
		panic(fmt.Sprintf("future: tag of type %T is neither a cq.Callback nor a func(cq.Event)", tag))
	}
}
