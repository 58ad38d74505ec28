package load

import (
	"testing"
	"time"
)

func TestABucketStandsForItsDurationsWithinOneInAHundred(t *testing.T) {
	for d := time.Duration(1); d < 1<<maxBits; d += 1 + d/97 {
		got := middle(bucketOf(d))
		if diff := max(got-d, d-got); diff*100 > d {
			t.Fatalf("%d ns are counted as %d ns", d, got)
		}
	}
}

func TestBucketsAreInOrder(t *testing.T) {
	last := -1
	for d := time.Duration(0); d < 1<<maxBits; d += 1 + d/200 {
		b := bucketOf(d)
		if b < last || b >= bucketCount {
			t.Fatalf("%d ns are in bucket %d, after %d of %d", d, b, last, bucketCount)
		}
		last = b
	}
}

func TestDurationsOutOfRangeAreCountedAtTheEnds(t *testing.T) {
	var h Histogram
	h.Add(-time.Second, 1)
	h.Add(24*time.Hour, 1)
	c := h.Load()
	if c[0] != 1 || c[bucketCount-1] != 1 {
		t.Errorf("first %d, last %d, want 1 and 1", c[0], c[bucketCount-1])
	}
}

func TestQuantile(t *testing.T) {
	var h Histogram
	if got := h.Load().Quantile(.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	for i := range 1000 {
		h.Add(time.Duration(i+1)*time.Microsecond, 1)
	}
	before := h.Load()
	for q, want := range map[float64]time.Duration{.001: time.Microsecond, .5: 500 * time.Microsecond,
		.99: 990 * time.Microsecond, 1: time.Millisecond} {
		got := before.Quantile(q)
		if diff := max(got-want, want-got); diff*100 > want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	h.Add(time.Second, 3)
	since := h.Load().Since(before)
	if n := since.Total(); n != 3 {
		t.Errorf("%d since, want 3", n)
	}
	if got := since.Quantile(.5); got < 990*time.Millisecond {
		t.Errorf("median since is %v, want a second", got)
	}
}
