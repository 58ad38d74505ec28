package load

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// meter is what all slots of a run report to.
type meter struct {
	base    time.Time
	latency Histogram
	stopped atomic.Bool
	failed  chan error // the first error

	mu     sync.Mutex
	active int
	quiet  chan struct{} // not nil: to be closed when active is 0
}

func newMeter() *meter { return &meter{base: time.Now(), failed: make(chan error, 1)} }

// now is a reading of the monotonic clock alone, the cheapest there is.
func (m *meter) now() time.Duration { return time.Since(m.base) }

// fail ends the run, unless it is over: what is torn down fails.
func (m *meter) fail(err error) {
	if m.stopped.Load() {
		return
	}
	select {
	case m.failed <- err:
	default:
	}
}

// enter and leave count the slots that are at work.
func (m *meter) enter() {
	m.mu.Lock()
	m.active++
	m.mu.Unlock()
}

func (m *meter) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.active--; m.active == 0 && m.quiet != nil {
		close(m.quiet)
		m.quiet = nil
	}
}

// stop lets no slot start again and waits until none is at work.
func (m *meter) stop(patience time.Duration) error {
	m.stopped.Store(true)
	m.mu.Lock()
	n, quiet := m.active, make(chan struct{})
	if n > 0 {
		m.quiet = quiet
	}
	m.mu.Unlock()
	if n == 0 {
		return nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-quiet:
		return nil
	case <-timer.C:
		return fmt.Errorf("%d operations have not ended in %v", n, patience)
	}
}
