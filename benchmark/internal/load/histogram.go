package load

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Histogram counts durations in buckets that grow with what they hold, as HDR
// histograms do: below 64 ns they are exact, above 64 to each power of two, so
// that a quantile is off by at most 1 part in 128. It has a fixed size, takes
// any duration up to 18 minutes (longer ones count as that), and may be used by
// any number of goroutines.
type Histogram struct {
	buckets [bucketCount]atomic.Uint64
}

const (
	subBits     = 6
	subCount    = 1 << subBits
	maxBits     = 40 // 2^40 ns are 18 min
	bucketCount = (maxBits - subBits + 1) * subCount
)

// Add counts d, n times.
func (h *Histogram) Add(d time.Duration, n uint64) { h.buckets[bucketOf(d)].Add(n) }

func bucketOf(d time.Duration) int {
	v := min(uint64(max(d, 0)), 1<<maxBits-1)
	if v < subCount {
		return int(v)
	}
	exp := bits.Len64(v) - subBits - 1
	return exp*subCount + int(v>>exp)
}

// middle is what stands for all durations of a bucket.
func middle(bucket int) time.Duration {
	if bucket < 2*subCount {
		return time.Duration(bucket)
	}
	exp := bucket/subCount - 1
	low := uint64(bucket-exp*subCount) << exp
	return time.Duration(low + 1<<exp/2)
}

// Counts is what a histogram held at one moment.
type Counts [bucketCount]uint64

// Load returns what has been counted so far.
func (h *Histogram) Load() *Counts {
	c := new(Counts)
	for i := range h.buckets {
		c[i] = h.buckets[i].Load()
	}
	return c
}

// Since returns what was counted after before was loaded.
func (c *Counts) Since(before *Counts) *Counts {
	diff := new(Counts)
	for i := range c {
		diff[i] = c[i] - before[i]
	}
	return diff
}

// Total is how many durations were counted.
func (c *Counts) Total() (n uint64) {
	for _, k := range c {
		n += k
	}
	return n
}

// Quantile returns the duration that the fraction q of all do not exceed,
// 0 < q <= 1; zero if there are none.
func (c *Counts) Quantile(q float64) time.Duration {
	total := c.Total()
	if total == 0 {
		return 0
	}
	rank := uint64(q*float64(total) + 0.5)
	rank = min(max(rank, 1), total)
	var n uint64
	for i, k := range c {
		if n += k; n >= rank {
			return middle(i)
		}
	}
	return middle(bucketCount - 1)
}
