package cq_test

import (
	"runtime"
	"testing"

	"github.com/cqrpc/cqrpc/cq"
)

// TestNothingIsRetained: what was delivered is not kept alive by the lane, the
// queue, the waiter or the pools.
func TestNothingIsRetained(t *testing.T) {
	q, callback, w := cq.New(), newInline(), new(cq.Waiter)
	var lane cq.Lane
	const tags = 30
	freed := make(chan struct{}, tags)
	for i := range tags {
		big := new([1 << 10]int)
		runtime.AddCleanup(big, func(struct{}) { freed <- struct{}{} }, struct{}{})
		for _, c := range []cq.Completer{q, callback, w}[i%3 : i%3+1] {
			var tag cq.Tag = big
			if c == callback {
				tag = func(cq.Event) { big[0]++ }
			}
			c.Begin()
			lane.Add(c, cq.Completion{Tag: tag, Finalizer: finalize(func(*cq.Event) bool { return big != nil })})
		}
		if i%3 == 2 {
			lane.Flush()
			q.NextUntil(past)
			w.Wait(t.Context())
		}
	}
	wantFreed(t, freed, tags)
	runtime.KeepAlive([]any{&lane, q, callback, w})
}

// TestACancelledAlarmIsNotRetained: neither its queue nor the runtime's timers
// may keep it until the time it was set for.
func TestACancelledAlarmIsNotRetained(t *testing.T) {
	q := cq.New()
	const alarms = 10
	freed := make(chan struct{}, alarms)
	for range alarms {
		a, err := q.At(farFuture, tag)
		if err != nil {
			t.Fatal(err)
		}
		runtime.AddCleanup(a, func(struct{}) { freed <- struct{}{} }, struct{}{})
		a.Cancel()
	}
	wantFreed(t, freed, alarms)
	runtime.KeepAlive(q)
}

// wantFreed collects garbage until n cleanups have run, within reason.
func wantFreed(t *testing.T, freed <-chan struct{}, n int) {
	t.Helper()
	for rounds := 0; n > 0; rounds++ {
		if rounds == 2000 {
			t.Fatalf("%d values are still reachable", n)
		}
		runtime.GC()
		select {
		case <-freed:
			n--
		default:
			runtime.Gosched()
		}
	}
}
