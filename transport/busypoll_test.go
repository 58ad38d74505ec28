package transport

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// lonePoll is the state of a reader that has read twice, alone in its process.
func lonePoll() *busyPoll {
	b := &busyPoll{last: new(atomic.Uint64), name: 1, most: defaultBusyPoll, trust: newTrust(fullTrust, maxPollPause)}
	b.came()
	b.came()
	return b
}

// turn plays one turn, in a bubble: a batch of messages is handled, and the next
// frame comes after delay, or later than a poll lasts. It reports whether the
// reader polled.
func (b *busyPoll) turn(messages int, delay time.Duration) (polled bool) {
	b.handled(messages)
	for begin := time.Now(); time.Since(begin) < delay && b.again(); {
		polled = true
		time.Sleep(5 * time.Microsecond) // fake clock
	}
	b.came()
	return polled
}

const (
	soon   = 10 * time.Microsecond
	late   = 70 * time.Microsecond
	inVain = time.Millisecond
)

// turns plays n turns alike and returns in how many of them the reader polled.
func (b *busyPoll) turns(n int, delay time.Duration) (polled int) {
	for range n {
		if b.turn(1, delay) {
			polled++
		}
	}
	return polled
}

func inBubble(f func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}

func TestBusyPoll(t *testing.T) {
	t.Run("as long as frames come soon", inBubble(func(t *testing.T) {
		if got := lonePoll().turns(1000, soon); got != 1000 {
			t.Errorf("polled in %d of 1000 turns; want all", got)
		}
	}))
	t.Run("one in vain now and then is borne", inBubble(func(t *testing.T) {
		b := lonePoll()
		for range 100 {
			if got := b.turns(1, inVain) + b.turns(9, soon); got != 10 {
				t.Fatalf("polled in %d of 10 turns; want all", got)
			}
		}
	}))
	t.Run("in vain it becomes rare", inBubble(func(t *testing.T) {
		b := lonePoll()
		if got := b.turns(2, inVain); got != 2 {
			t.Errorf("polled in %d of the first 2 turns; want both", got)
		}
		for _, pause := range []int{16, 32, 64, 128, 256, 256} {
			if got := b.turns(pause, inVain); got != 0 {
				t.Errorf("polled in %d turns of a pause of %d; want none", got, pause)
			}
			if got := b.turns(1, inVain); got != 1 {
				t.Errorf("no poll after a pause of %d", pause)
			}
		}
	}))
	t.Run("it comes back when frames come soon again", inBubble(func(t *testing.T) {
		b := lonePoll()
		b.turns(2+16+1+32, inVain)
		if got := b.turns(100, soon); got != 100 {
			t.Errorf("polled in %d of 100 turns; want all", got)
		}
		b.turns(2, inVain)
		if got := b.turns(17, inVain); got != 1 {
			t.Errorf("polled in %d of 17 turns after two in vain; want 1, as pauses are short again", got)
		}
	}))
	t.Run("always late it ends", inBubble(func(t *testing.T) {
		b := lonePoll()
		if got := b.turns(mostLate+minPause, late); got != mostLate {
			t.Errorf("polled in %d turns; want %d", got, mostLate)
		}
	}))
	t.Run("late but for some it stays", inBubble(func(t *testing.T) {
		b := lonePoll()
		for range 10 {
			if got := b.turns(mostLate-1, late) + b.turns(1, soon); got != mostLate {
				t.Fatalf("polled in %d of %d turns; want all", got, mostLate)
			}
		}
	}))
}

func TestBusyPollDoesNot(t *testing.T) {
	t.Run("in the middle of many messages", inBubble(func(t *testing.T) {
		if lonePoll().turn(enoughToWrite+1, soon) {
			t.Error("polled")
		}
	}))
	t.Run("after frames that nobody answers", inBubble(func(t *testing.T) {
		if lonePoll().turn(0, soon) {
			t.Error("polled")
		}
	}))
	t.Run("where it is off", inBubble(func(t *testing.T) {
		b := lonePoll()
		b.most = 0
		if b.turn(1, soon) {
			t.Error("polled")
		}
	}))
	t.Run("twice for one batch", inBubble(func(t *testing.T) {
		b := lonePoll()
		b.handled(1)
		for b.again() {
			time.Sleep(soon) // fake clock
		}
		if b.again() {
			t.Error("polled again without a batch in between")
		}
	}))
	t.Run("when another reader has read", inBubble(func(t *testing.T) {
		b := lonePoll()
		b.last.Store(2)
		b.turn(1, 0)
		if b.turn(1, soon) {
			t.Error("polled, not having read twice in a row")
		}
		if !b.turn(1, soon) {
			t.Error("does not poll when it is alone again")
		}
	}))
	t.Run("on when another reader reads", inBubble(func(t *testing.T) {
		b := lonePoll()
		b.handled(1)
		if !b.again() {
			t.Fatal("does not poll")
		}
		b.last.Store(2)
		if b.again() {
			t.Error("goes on")
		}
		if b.trust.level != fullTrust {
			t.Errorf("trust is %d; want %d, for nothing is known of this reader", b.trust.level, fullTrust)
		}
	}))
}
