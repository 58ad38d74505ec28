package load

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// pacer is the rhythm of an open loop: operations are due at random moments, a
// Poisson process, whatever the server does. One that finds every slot at work
// waits for a slot, and its latency counts from when it was due (that is, there
// is no coordinated omission).
type pacer struct {
	inTurn  bool // the first to have ended is the next to begin, not the last: all slots have their turn
	mu      sync.Mutex
	resting []*Turn
	overdue []time.Duration
}

// next implements rhythm.
func (p *pacer) next(t *Turn, _ time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.overdue) == 0 {
		p.resting = append(p.resting, t)
		return false
	}
	t.since = p.overdue[0]
	p.overdue = p.overdue[1:]
	return true
}

// take returns a slot for the operation that is due, or nil and remembers it.
func (p *pacer) take(due time.Duration) *Turn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.resting)
	if n == 0 {
		p.overdue = append(p.overdue, due)
		return nil
	}
	if p.inTurn {
		t := p.resting[0]
		p.resting = p.resting[1:]
		return t
	}
	t := p.resting[n-1]
	p.resting = p.resting[:n-1]
	return t
}

// run begins operations at rate per second until ctx ends. How to sleep is the
// caller's choice: see nap.
func (p *pacer) run(ctx context.Context, m *meter, rate float64, sleep func(time.Duration)) {
	random := rand.New(rand.NewPCG(1, 2)) // the same moments in every run
	due := m.now()
	for {
		due += time.Duration(random.ExpFloat64() / rate * float64(time.Second))
		if wait := due - m.now(); wait > 0 {
			sleep(wait)
		}
		if ctx.Err() != nil {
			return
		}
		if t := p.take(due); t != nil {
			t.begin(due)
		}
	}
}
