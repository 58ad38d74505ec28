package client

import (
	"context"
	"math"
	"time"
)

// Backoff says how long to wait after a failed round of connection attempts, at all
// addresses of a name or, with RoundRobin, at one; and after a failed attempt to resolve
// the name, with DNS or a resolver (gRPC connection-backoff.md). Zero fields take the
// defaults.
type Backoff struct {
	// Initial is the delay after the first failure. When two connections in a row are lost
	// within Initial of their attempts, the second counts as a failure, too, unless the server
	// has answered calls on it, or does so although it takes no more of them. Default 1 s.
	Initial time.Duration
	// Multiplier is applied for each further failure. Default 1.6.
	Multiplier float64
	// Jitter randomises the delay by this fraction both ways, at most 1. Default 0.2; negative: none.
	Jitter float64
	// Max bounds the delay before jitter. Default 120 s.
	Max time.Duration
	// MinConnectTimeout is the least time that an attempt at one address is given, and a
	// lookup of the name with DNS. Default 20 s.
	MinConnectTimeout time.Duration
}

func (b Backoff) resolved() Backoff {
	if b.Initial <= 0 {
		b.Initial = time.Second
	}
	if !(b.Multiplier >= 1) { // NaN as well
		b.Multiplier = 1.6
	}
	switch {
	case b.Jitter == 0:
		b.Jitter = 0.2
	case b.Jitter > 0:
		b.Jitter = min(b.Jitter, 1)
	default: // negative, or NaN
		b.Jitter = 0
	}
	if b.Max <= 0 {
		b.Max = 120 * time.Second
	}
	if b.MinConnectTimeout <= 0 {
		b.MinConnectTimeout = 20 * time.Second
	}
	return b
}

// delay is how long after the start of a failed round, the failures-th in a row, the
// next may start. random is in [0,1).
func (b Backoff) delay(failures int, random float64) time.Duration {
	if failures <= 0 {
		return 0
	}
	d := min(float64(b.Initial)*math.Pow(b.Multiplier, float64(failures-1)), float64(b.Max))
	return time.Duration(min(d*(1+b.Jitter*(2*random-1)), math.MaxInt64/2))
}

// pause waits for d, or until hurry cuts it short, and reports whether to go on: not if
// ctx has ended.
func pause(ctx context.Context, d time.Duration, hurry <-chan struct{}) bool {
	select {
	case <-hurry: // meant for an earlier pause
	default:
	}
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-hurry:
		return true
	case <-ctx.Done():
		return false
	}
}

// cutShort ends a pause. hurry has a capacity of 1.
func cutShort(hurry chan<- struct{}) {
	select {
	case hurry <- struct{}{}:
	default:
	}
}
