package future

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/cqrpc/cqrpc/cq"
)

// Station is one queue of an [Environment], its poller, and the calls that live
// on it. It is the seam for styles; applications do not need it.
type Station struct {
	// immutable
	env   *Environment
	queue *cq.Queue
	index int

	mu sync.Mutex
	// guarded by mu
	isClosed bool
	stays    stayList
}

// Queue returns the queue; see [Environment.Pick].
func (s *Station) Queue() *cq.Queue { return s.queue }

// Spawn is [Environment.Spawn] on this station.
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
			s.env.pollers.Go(s.poll)
		}
	}()
	if f := s.env.cfg.afterStart; f != nil {
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
			s.env.pollers.Go(s.poll)
		}
	}()
	for ev := range s.queue.EventsN(context.Background(), 32) {
		s.step(ev)
	}
	isDrained = true
	if f := s.env.cfg.beforeStop; f != nil {
		f(s.index)
	}
}

// step runs the tag of one event.
func (s *Station) step(ev cq.Event) {
	defer func() {
		if v := recover(); v != nil {
			s.env.cfg.panicked(v, debug.Stack())
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

// Tenant is a call while it lives on a station.
type Tenant interface {
	// Evict ends the call, because the environment is being closed. It is called
	// with no lock held, and may come when the call has ended.
	Evict()
	// Left names the side, the method, and the ends that the application has not
	// closed; "" if the call has ended and only its events are under way.
	Left() string
}

// Stay is a tenant's place on its station, a field of the tenant. The zero
// value is ready to use.
type Stay struct {
	// guarded by Station.mu
	tenant     Tenant
	prev, next *Stay
}

// stayList is the stays of a station, the latest first.
type stayList struct {
	first *Stay
	n     int
}

// Enter notes that a call begins to live here. It reports false, and notes
// nothing, if the environment is closed.
func (s *Station) Enter(y *Stay, t Tenant) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed {
		return false
	}
	y.tenant, y.next = t, s.stays.first
	if y.next != nil {
		y.next.prev = y
	}
	s.stays.first = y
	s.stays.n++
	return true
}

// Leave notes that a call has ended. Only the first Leave after Enter counts.
func (s *Station) Leave(y *Stay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if y.tenant == nil {
		return
	}
	if y.prev != nil {
		y.prev.next = y.next
	} else {
		s.stays.first = y.next
	}
	if y.next != nil {
		y.next.prev = y.prev
	}
	*y = Stay{}
	s.stays.n--
}

func (s *Station) inFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stays.n
}

// evict lets nobody in any more, ends the calls that are here, and says what
// they were.
func (s *Station) evict() []string {
	s.mu.Lock()
	s.isClosed = true
	var tenants []Tenant
	for y := s.stays.first; y != nil; y = y.next {
		tenants = append(tenants, y.tenant)
	}
	s.mu.Unlock()
	var open []string
	for _, t := range tenants {
		if name := t.Left(); name != "" {
			open = append(open, name)
		}
		t.Evict()
	}
	return open
}
