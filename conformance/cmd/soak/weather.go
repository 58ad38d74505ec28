package main

import (
	"math/rand/v2"
	"time"

	"github.com/cqrpc/cqrpc/internal/faultproxy"
)

// weather is what happens to a connection: to one of three nothing.
func weather(rnd *rand.Rand) faultproxy.Plan {
	if rnd.IntN(3) == 0 {
		return faultproxy.Plan{}
	}
	return faultproxy.Plan{Up: way(rnd), Down: way(rnd)}
}

func way(rnd *rand.Rand) faultproxy.Way {
	var w faultproxy.Way
	if rnd.IntN(3) == 0 {
		w.Chunk = 1 + rnd.IntN(1<<rnd.IntN(12))
	}
	if rnd.IntN(3) == 0 {
		w.Delay = time.Duration(rnd.IntN(5000)) * time.Microsecond
	}
	if rnd.IntN(4) == 0 {
		jitter := rand.New(rand.NewPCG(rnd.Uint64(), 4))
		w.Jitter = func() time.Duration { return time.Duration(jitter.IntN(3000)) * time.Microsecond }
	}
	if rnd.IntN(2) == 0 {
		w.Fault = faultproxy.Fault(1 + rnd.IntN(3))
		w.At = int64(rnd.IntN(1 << (4 + rnd.IntN(16)))) // up to half a megabyte, and as often a few bytes
		w.For = time.Duration(1+rnd.IntN(1500)) * time.Millisecond
	}
	return w
}
