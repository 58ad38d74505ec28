package transport

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/frame"
)

func TestBucket(t *testing.T) {
	type spend struct {
		wait time.Duration
		ok   bool
	}
	for _, tc := range []struct {
		name   string
		limit  Budget
		spends []spend
	}{
		{"burst, then nothing", Budget{2, 0}, []spend{{0, true}, {0, true}, {0, false}, {time.Hour, false}}},
		{"refill", Budget{1, 1}, []spend{{0, true}, {time.Second, true}, {time.Second / 2, false}}},
		{"refill stops at full", Budget{2, 10}, []spend{{time.Hour, true}, {time.Hour, true}, {0, true}, {0, false}}},
		{"no limit", Budget{-1, 0}, []spend{{0, true}, {0, true}, {0, true}}},
		{"nothing allowed", Budget{0, 1}, []spend{{0, false}}},
		{"a steady rate below the refill", Budget{1, 2}, []spend{{time.Second, true}, {time.Second, true},
			{time.Second, true}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bucket
				for i, s := range tc.spends {
					time.Sleep(s.wait)
					err := b.spend(tc.limit, "tests")
					if (err == nil) != s.ok {
						t.Fatalf("spend %d: %v", i, err)
					}
					var ce *frame.ConnError
					if err != nil && (!errors.As(err, &ce) || ce.Code != frame.EnhanceYourCalm) {
						t.Fatalf("spend %d: %v is no ENHANCE_YOUR_CALM", i, err)
					}
				}
			})
		})
	}
}

func TestBudgetDefaults(t *testing.T) {
	got := Budgets{}.resolved()
	want := Budgets{
		PeerResets: Budget{1000, 33}, OwnResets: Budget{1000, 33}, Settings: Budget{100, 10},
		Glitches: Budget{10000, 330}, UnsentAcks: 1000, UnsentResets: 10000,
	}
	if got != want {
		t.Errorf("got %+v", got)
	}
	if got := want.resolved(); got != want {
		t.Errorf("resolving twice gives %+v", got)
	}
	if own := (Budgets{Settings: Budget{Burst: 5}}).resolved(); own.Settings != (Budget{5, 0}) {
		t.Errorf("a budget without refill became %+v", own.Settings)
	}
}

// What a peer does not read is bounded unless the application wants it otherwise.
func TestUnsentBudget(t *testing.T) {
	for _, tc := range []struct {
		name         string
		budgets      Budgets
		acks, resets int
		ok           bool
	}{
		{"within", Budgets{UnsentAcks: 2, UnsentResets: 2}, 2, 2, true},
		{"acknowledgements", Budgets{UnsentAcks: 2, UnsentResets: 2}, 3, 0, false},
		{"resets", Budgets{UnsentAcks: 2, UnsentResets: 2}, 0, 3, false},
		{"no limit of acknowledgements", Budgets{UnsentAcks: -1, UnsentResets: 2}, 3, 2, true},
		{"nor of resets", Budgets{UnsentAcks: 2, UnsentResets: -1}, 2, 3, true},
		{"resets all the same", Budgets{UnsentAcks: -1, UnsentResets: 2}, 3, 3, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &Conn{cfg: &Config{Budgets: tc.budgets}}
			c.control.settingsAcks, c.control.resets = tc.acks, make([]resetFrame, tc.resets)
			if err := c.unsentBudgetLocked(); (err == nil) != tc.ok {
				t.Error(err)
			}
		})
	}
}

// Frames that may have crossed the end of a stream are free, but a long life saves up only so many.
func TestLateFramesAreBounded(t *testing.T) {
	const burst = 10
	for _, tc := range []struct {
		streams uint64
		most    int32 // at once
		want    int
	}{
		{0, 1, burst},
		{100, 1, 100*latePerStream + burst},
		{1 << 20, 1, maxLate + burst},
		{1 << 20, 3 * usualStreams, 3*maxLate + burst},
	} {
		c := &Conn{cfg: &Config{Budgets: Budgets{Glitches: Budget{Burst: burst}}}}
		c.streams.ended = tc.streams
		c.streams.most.Store(tc.most)
		n := 0
		for c.glitch("tests") == nil {
			n++
		}
		if n != tc.want {
			t.Errorf("%d streams, %d at once: %d frames are free, want %d", tc.streams, tc.most, n, tc.want)
		}
	}
}

// Cancels are not abuse while requests are being answered.
func TestAnsweredStreamsEarnResets(t *testing.T) {
	c := &Conn{cfg: &Config{Budgets: Budgets{PeerResets: Budget{Burst: 2}}}}
	for i := range 100 {
		if err := c.peerReset(false, uint64(i)); err != nil {
			t.Fatalf("reset %d after %d answers: %v", i, i, err)
		}
		if err := c.peerReset(true, uint64(i)); err != nil {
			t.Fatalf("reset of an answered stream: %v", err)
		}
	}
	_ = c.peerReset(false, 99)
	if c.peerReset(false, 99) == nil {
		t.Error("resets without answers go on for ever")
	}
}
