package half

import "sync/atomic"

// Tally counts what is under way for one call: every batch until its callback
// has run, and what else the application left to the poller. When nothing is,
// once, it tells its owner. What begins after that is the application's alone.
// A nil Tally does not count.
type Tally struct {
	owner Settler
	n     atomic.Int32
}

// Settler is told that nothing runs for a call any more.
type Settler interface{ Settled() }

// settled is what a tally begins with anew when its owner was told: far from
// zero, to which it must not come a second time.
const settled = 1 << 30

// Begin makes n things under way, before anything can end.
func (t *Tally) Begin(owner Settler, n int32) {
	t.owner = owner
	t.n.Store(n)
}

// Enter counts one thing more.
func (t *Tally) Enter() {
	if t != nil {
		t.n.Add(1)
	}
}

// Leave follows Enter, when that has ended.
func (t *Tally) Leave() {
	if t != nil && t.n.Add(-1) == 0 && t.n.CompareAndSwap(0, settled) {
		t.owner.Settled()
	}
}
