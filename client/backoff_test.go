package client

import (
	"math"
	"testing"
	"time"
)

// The numbers of gRPC connection-backoff.md: 1 s, times 1.6, at most 120 s.
func TestBackoffDelay(t *testing.T) {
	b := Backoff{Jitter: -1}.resolved()
	for i, want := range []time.Duration{
		0,
		1000 * time.Millisecond,
		1600 * time.Millisecond,
		2560 * time.Millisecond,
		4096 * time.Millisecond,
		6553600 * time.Microsecond,
		10485760 * time.Microsecond,
		16777216 * time.Microsecond,
		26843545600 * time.Nanosecond,
		42949672960 * time.Nanosecond,
		68719476736 * time.Nanosecond,
		109951162777600 * time.Nanosecond / 1000,
		120 * time.Second,
		120 * time.Second,
	} {
		if got := b.delay(i, 0.5); (got - want).Abs() > time.Microsecond {
			t.Errorf("delay after %d failures = %v; want %v", i, got, want)
		}
	}
	if got := b.delay(1<<30, 0.5); got != 120*time.Second {
		t.Errorf("delay after very many failures = %v", got)
	}
}

func TestBackoffJitterBounds(t *testing.T) {
	b := Backoff{}.resolved()
	for failures := 1; failures < 30; failures++ {
		mid := b.delay(failures, 0.5)
		low, high := b.delay(failures, 0), b.delay(failures, 1)
		if d := low - mid*8/10; d.Abs() > time.Microsecond {
			t.Errorf("least delay after %d failures = %v; want 80%% of %v", failures, low, mid)
		}
		if d := high - mid*12/10; d.Abs() > time.Microsecond {
			t.Errorf("largest delay after %d failures = %v; want 120%% of %v", failures, high, mid)
		}
	}
}

func TestBackoffResolved(t *testing.T) {
	defaults := Backoff{
		Initial: time.Second, Multiplier: 1.6, Jitter: 0.2, Max: 120 * time.Second, MinConnectTimeout: 20 * time.Second,
	}
	if got := (Backoff{}).resolved(); got != defaults {
		t.Errorf("the zero Backoff resolves to %+v; want %+v", got, defaults)
	}
	own := Backoff{
		Initial: time.Millisecond, Multiplier: 3, Jitter: 0.5, Max: time.Second, MinConnectTimeout: time.Minute,
	}
	if got := own.resolved(); got != own {
		t.Errorf("%+v resolves to %+v", own, got)
	}
	if got := (Backoff{Jitter: -1, Multiplier: 0.5}).resolved(); got.Jitter != 0 || got.Multiplier != 1.6 {
		t.Errorf("no jitter and a shrinking delay resolve to %+v", got)
	}
}

// A back-off that makes no sense makes no loop.
func TestBackoffIsNeverNegative(t *testing.T) {
	for _, b := range []Backoff{
		{Jitter: 20}, {Jitter: math.Inf(1)}, {Jitter: math.NaN()}, {Multiplier: math.NaN()}, {Multiplier: math.Inf(1)},
		{Initial: math.MaxInt64, Max: math.MaxInt64}, {Max: math.MaxInt64},
	} {
		b = b.resolved()
		for _, random := range []float64{0, 0.1, 0.5, 1} {
			for _, failures := range []int{1, 2, 100, math.MaxInt} {
				if d := b.delay(failures, random); d < 0 || d < time.Second/2 && random >= 0.5 {
					t.Errorf("%+v: delay after %d failures with %v = %v", b, failures, random, d)
				}
			}
		}
	}
}
