package transport

import (
	"testing"
	"time"
)

// worthStep is something a loanWorth is told, and what it is then.
type worthStep struct {
	do    func(w *loanWorth)
	level int8 // of trust
	pause int16
	next  int16
}

func TestLoanWorth(t *testing.T) {
	try := func(want bool) func(w *loanWorth) {
		return func(w *loanWorth) {
			if got := w.isTried(); got != want {
				t.Errorf("it is tried: %v; want %v: %+v", got, want, w)
			}
		}
	}
	tries := func(n int, want bool) func(w *loanWorth) {
		return func(w *loanWorth) {
			for range n {
				try(want)(w)
			}
		}
	}
	gains := func(n int) func(w *loanWorth) {
		return func(w *loanWorth) {
			for range n {
				w.gain()
			}
		}
	}
	lose := func(n int8) func(w *loanWorth) { return func(w *loanWorth) { w.lose(n) } }
	away := func(d time.Duration, messages int) func(w *loanWorth) {
		return func(w *loanWorth) { w.away(d, messages) }
	}
	for _, tc := range []struct {
		name  string
		steps []worthStep
	}{
		{"it is tried at first, and as long as it is trusted", []worthStep{
			{tries(100, true), halfTrust, 0, minPause},
			{lose(halfTrust - 1), 1, 0, minPause},
			{tries(100, true), 1, 0, minPause},
		}},
		{"trust has a limit", []worthStep{
			{gains(1), halfTrust + 1, 0, minPause},
			{gains(100), fullTrust, 0, minPause},
			{lose(calledLost), fullTrust - calledLost, 0, minPause},
		}},
		{"a pause follows the end of trust", []worthStep{
			{lose(fullTrust), 0, minPause, 2 * minPause},
			{tries(minPause, false), 0, 0, 2 * minPause},
			{try(true), halfTrust, 0, 2 * minPause},
		}},
		{"pauses become longer, up to a limit", []worthStep{
			{lose(fullTrust), 0, 16, 32},
			{tries(16, false), 0, 0, 32}, {try(true), halfTrust, 0, 32},
			{lose(fullTrust), 0, 32, 64},
			{tries(32, false), 0, 0, 64}, {try(true), halfTrust, 0, 64},
			{func(w *loanWorth) { w.next = maxLoanPause }, halfTrust, 0, maxLoanPause},
			{lose(fullTrust), 0, maxLoanPause, maxLoanPause},
		}},
		{"many gains make them short again", []worthStep{
			{lose(fullTrust), 0, 16, 32},
			{tries(16, false), 0, 0, 32}, {try(true), halfTrust, 0, 32},
			{gains(manyGains - 1), fullTrust, 0, 32},
			{gains(1), fullTrust, 0, minPause},
		}},
		{"as many as that, and no pause between", []worthStep{
			{lose(fullTrust), 0, 16, 32},
			{tries(16, false), 0, 0, 32}, {try(true), halfTrust, 0, 32},
			{gains(manyGains - 1), fullTrust, 0, 32},
			{lose(fullTrust), 0, 32, 64},
			{tries(32, false), 0, 0, 64}, {try(true), halfTrust, 0, 64},
			{gains(1), halfTrust + 1, 0, 64},
		}},
		{"to be away for long costs trust", []worthStep{
			{away(maxAway, 0), halfTrust, 0, minPause},
			{away(maxAway+1, 0), halfTrust - slowLost, 0, minPause},
			{away(maxAway+maxAwayEach+1, 1), 0, minPause, 2 * minPause},
		}},
		{"the time for each message is not counted", []worthStep{
			{away(maxAway+10*maxAwayEach, 10), halfTrust, 0, minPause},
			{away(maxAway+10*maxAwayEach+1, 10), halfTrust - slowLost, 0, minPause},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newLoanWorth()
			for i, s := range tc.steps {
				s.do(&w)
				if want := (trust{level: s.level, pause: s.pause, next: s.next, longest: maxLoanPause}); w.trust != want {
					t.Fatalf("step %d: %+v; want %+v", i, w.trust, want)
				}
			}
		})
	}
}
