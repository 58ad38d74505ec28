package server

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// model is a lineup done with slices.
type model struct {
	requests [][]*request
	pending  []*arrival
	turn     int
}

func (m *model) takeRequest(start int) *request {
	n := len(m.requests)
	for i := range n {
		at := (start + i) % n
		if q := m.requests[at]; len(q) > 0 {
			m.requests[at] = q[1:]
			m.turn = at + 1
			return q[0]
		}
	}
	return nil
}

// TestLineupProgram runs random programs on a lineup and on its model: calls
// come and die, requests come, and every answer must be the same.
func TestLineupProgram(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		const queues = 3
		var l lineup
		m := model{requests: make([][]*request, queues)}
		requested, matched := 0, 0
		for range 300 {
			switch rnd.IntN(5) {
			case 0, 1: // a call comes, from the queue whose turn it is or from home
				start := l.turn
				if rnd.IntN(2) == 0 {
					start = rnd.IntN(queues)
				}
				got, want := l.takeRequest(start), m.takeRequest(start)
				if got != want || l.turn != m.turn && want != nil {
					t.Fatalf("seed %d: a call got %p at turn %d; want %p, %d", seed, got, l.turn, want, m.turn)
				}
				if got != nil {
					matched++
					continue
				}
				a := new(arrival)
				l.pending.push(a)
				m.pending = append(m.pending, a)
			case 2, 3: // a request comes
				requested++
				if a := l.pending.head; a != nil {
					if a != m.pending[0] {
						t.Fatalf("seed %d: a request got a call that is not the oldest", seed)
					}
					l.pending.remove(a)
					m.pending = m.pending[1:]
					matched++
					continue
				}
				r := &request{queue: rnd.IntN(queues)}
				l.addRequest(r)
				m.requests[r.queue] = append(m.requests[r.queue], r)
			case 4: // a call dies
				if n := len(m.pending); n > 0 {
					i := rnd.IntN(n)
					l.pending.remove(m.pending[i])
					m.pending = slices.Delete(m.pending, i, i+1)
				}
			}
			if l.waiting > 0 && l.pending.head != nil {
				t.Fatalf("seed %d: calls and requests wait for each other", seed)
			}
			if matched+l.waiting != requested {
				t.Fatalf("seed %d: %d matched, %d waiting of %d requests", seed, matched, l.waiting, requested)
			}
		}
		failed := l.takeAllRequests()
		if want := slices.Concat(m.requests...); !slices.Equal(failed, want) || l.waiting != 0 {
			t.Fatalf("seed %d: %d requests failed; want %d, in order", seed, len(failed), len(want))
		}
		for _, a := range m.pending {
			if !a.isPending || l.pending.head != a {
				t.Fatalf("seed %d: the line of calls is out of order", seed)
			}
			l.pending.remove(a)
		}
		if l.pending.head != nil || l.pending.tail != nil {
			t.Fatalf("seed %d: the line of calls is longer than it should be", seed)
		}
	}
}

func TestPendingBudget(t *testing.T) {
	b := pendingBudget{limits: PendingLimits{Calls: 2, Bytes: 100}}
	steps := []struct {
		do   func() bool
		want bool
	}{
		{func() bool { _, ok := b.enter(60); return ok }, true},
		{func() bool { _, ok := b.enter(60); return ok }, false}, // too many bytes
		{func() bool { return b.grow(40) }, true},
		{func() bool { return b.grow(1) }, false},
		{b.isFull, false},
		{func() bool { _, ok := b.enter(0); return ok }, true},
		{b.isFull, true},
		{func() bool { _, ok := b.enter(0); return ok }, false}, // too many calls
		{func() bool { b.leave(100); _, ok := b.enter(100); return ok }, true},
	}
	for i, s := range steps {
		if got := s.do(); got != s.want {
			t.Errorf("step %d: %v; want %v", i, got, s.want)
		}
	}
	if calls, bytes := b.calls.Load(), b.bytes.Load(); calls != 2 || bytes != 100 {
		t.Errorf("counted %d calls, %d bytes", calls, bytes)
	}
}
