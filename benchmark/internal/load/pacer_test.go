package load

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// pace runs slots of c under a pacer for a time and returns what was counted.
func pace(t *testing.T, c *fakeClient, slots int, rate float64, d time.Duration) *Counts {
	t.Helper()
	m, p := newMeter(), new(pacer)
	conn, _ := c.Dial()
	for range slots {
		p.resting = append(p.resting, newTurn(conn, Plan{Mode: Unary, Rate: rate}, m, p))
	}
	ctx, halt := context.WithTimeout(t.Context(), d)
	defer halt()
	p.run(ctx, m, rate, time.Sleep) // fake clock
	counts := m.latency.Load()
	if err := m.stop(time.Hour); err != nil {
		t.Error(err)
	}
	return counts
}

func TestOperationsBeginAtTheRateWhateverTheyTake(t *testing.T) {
	for _, took := range []time.Duration{0, time.Millisecond, 100 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			n := pace(t, &fakeClient{took: took}, 2000, 1000, 20*time.Second).Total()
			if n < 19_300 || n > 20_700 { // 5 standard deviations of a Poisson process
				t.Errorf("%d operations in 20 s of %v each, want 20000", n, took)
			}
		})
	}
}

func TestLatencyCountsFromWhenAnOperationWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// One slot at 10 operations per second, 20 due: after 10 s half of them
		// have waited for seconds, though each took 100 ms.
		c := pace(t, &fakeClient{took: 100 * time.Millisecond}, 1, 20, 10*time.Second)
		if n := c.Total(); n < 98 || n > 100 {
			t.Errorf("%d operations, want 100", n)
		}
		if p50, p99 := c.Quantile(.5), c.Quantile(.99); p50 < time.Second || p99 < 3*time.Second {
			t.Errorf("p50 %v, p99 %v: waiting for a slot does not count", p50, p99)
		}
	})
}

func TestOperationsAreNotEvenlySpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pace(t, &fakeClient{took: 10 * time.Millisecond}, 1, 50, 100*time.Second)
		if c.Quantile(.5) < 10*time.Millisecond || c.Quantile(.99) < 20*time.Millisecond {
			t.Error("with a Poisson process and half the time at work, some operations wait")
		}
	})
}
