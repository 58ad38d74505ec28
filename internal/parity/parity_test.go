package parity

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cqrpc/cqrpc/internal/leak"
)

// pairings is every style of client with every style of server in plaintext,
// and each with itself over TLS.
func pairings(t *testing.T) []*Pairing {
	t.Helper()
	var all []*Pairing
	for _, from := range Callers {
		for _, to := range Hosts {
			all = append(all, &Pairing{Caller: from, Host: to})
			if from.Name == to.Name {
				all = append(all, &Pairing{Caller: from, Host: to, Credentials: TestCredentials(t)})
			}
		}
	}
	return all
}

// spares reports pairings that a heavy scenario leaves out: what it is about is
// the engine, and so each style has to show it once, with itself.
func (s *Scenario) spares(p *Pairing) bool {
	return s.Heavy && (p.Caller.Name != p.Host.Name || p.Credentials != nil)
}

// tally is the scenarios that each end of each style has passed.
type tally struct {
	mu sync.Mutex
	// guarded by mu
	passed map[end]map[string]bool // the names of scenarios; false if one run has failed
	runs   int
}

// end is a style on one side.
type end struct{ style, side string }

func (y *tally) count(s *Scenario, p *Pairing, isPassed bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.runs++
	if s.About != HostEnd {
		y.countEnd(end{p.Caller.Name, "client"}, s, isPassed)
	}
	if s.About != CallerEnd {
		y.countEnd(end{p.Host.Name, "server"}, s, isPassed)
	}
}

func (y *tally) countEnd(e end, s *Scenario, isPassed bool) {
	if y.passed[e] == nil {
		y.passed[e] = make(map[string]bool)
	}
	before, isKnown := y.passed[e][s.Name]
	y.passed[e][s.Name] = isPassed && (before || !isKnown)
}

// score is "passed/run".
func (y *tally) score(e end) string {
	passed := 0
	for _, ok := range y.passed[e] {
		if ok {
			passed++
		}
	}
	return fmt.Sprintf("%d/%d", passed, len(y.passed[e]))
}

func (y *tally) String() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d scenarios in %d runs; passed, by style and side:\n", len(Scenarios), y.runs)
	fmt.Fprintf(&b, "%-8s %8s %8s\n", "style", "client", "server")
	for _, k := range Callers {
		fmt.Fprintf(&b, "%-8s %8s %8s\n", k.Name, y.score(end{k.Name, "client"}), y.score(end{k.Name, "server"}))
	}
	return b.String()
}

// TestParity runs every scenario with every pair of styles. Its log is the
// parity table.
func TestParity(t *testing.T) {
	y := &tally{passed: make(map[end]map[string]bool)}
	t.Run("scenarios", func(t *testing.T) {
		for i := range Scenarios {
			s := &Scenarios[i]
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				for _, p := range s.Pick(pairings(t)) {
					if s.spares(p) {
						continue
					}
					t.Run(p.Name(), func(t *testing.T) {
						t.Parallel()
						defer func() { y.count(s, p, !t.Failed()) }()
						s.Run(t, p)
					})
				}
			})
		}
	})
	t.Log(y)
}

// TestMixedStyles has one server with a style per method (C++
// hybrid_end2end_test): in five turns each method is served by each style.
func TestMixedStyles(t *testing.T) {
	sync := slices.IndexFunc(Callers, func(k CallerKind) bool { return k.Name == "sync" })
	for turn := range Hosts {
		p := &Pairing{Caller: Callers[sync], Host: mixed(turn)}
		for i := range Scenarios {
			s := &Scenarios[i]
			if s.Heavy || s.About == CallerEnd {
				continue
			}
			t.Run(s.Name+"/"+p.Name(), func(t *testing.T) {
				t.Parallel()
				s.Run(t, p)
			})
		}
	}
}

// TestNoBufferIsLeft runs the scenarios once more, one at a time, and counts
// message buffers: however a call ends, each has been freed when both ends are
// closed. Buffers do not depend on who the peer is, so each style has itself.
func TestNoBufferIsLeft(t *testing.T) {
	for i := range Scenarios {
		s := &Scenarios[i]
		if s.Heavy {
			continue
		}
		for _, p := range s.Pick(pairings(t)) {
			if p.Credentials != nil || p.Caller.Name != p.Host.Name {
				continue
			}
			t.Run(s.Name+"/"+p.Name(), func(t *testing.T) {
				leak.Buffers(t)
				s.Run(t, p)
			})
		}
	}
}
