package half

import "testing"

// The states go the ways that are drawn, and no other.
func TestStates(t *testing.T) {
	legal := map[[2]receiverState]bool{
		{receiverIdle, receiverReading}: true, {receiverReading, receiverIdle}: true,
		{receiverReading, receiverEnded}: true, {receiverEnded, receiverOver}: true,
		{receiverIdle, receiverOver}: true, // Reject: the call was not started
	}
	for from := receiverIdle; from <= receiverOver; from++ {
		for to := receiverIdle; to <= receiverOver; to++ {
			s := from
			if got := !panics(func() { s.to(to) }); got != legal[[2]receiverState{from, to}] {
				t.Errorf("receiver %v -> %v: %v", from, to, got)
			}
		}
	}
	for from := senderOpen; from <= senderEnded; from++ {
		for to := senderOpen; to <= senderEnded; to++ {
			s := from
			if got := !panics(func() { s.to(to) }); got != (to == from+1) {
				t.Errorf("sender %v -> %v: %v", from, to, got)
			}
		}
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func TestTurns(t *testing.T) {
	for _, c := range []struct {
		turns           turns
		idle, isStarted bool
	}{
		{turns{0, 0, 0}, true, true},
		{turns{1, 0, 0}, false, false}, // being started
		{turns{1, 1, 0}, false, true},  // outstanding
		{turns{1, 1, 1}, true, true},
		{turns{1, 0, 1}, true, true}, // completed before start has returned
	} {
		if c.turns.isIdle() != c.idle || c.turns.isStarted() != c.isStarted {
			t.Errorf("%+v: idle %v, started %v", c.turns, c.turns.isIdle(), c.turns.isStarted())
		}
	}
}
