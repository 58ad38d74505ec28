package server

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/leak"
)

// pond is a cq.Source that has nothing to do but to wait until it is recalled.
type pond struct {
	called chan struct{} // capacity 1: a recall is not forgotten
	isGone atomic.Bool   // it is not the worker's any more

	serves, recalls atomic.Int32
	by              atomic.Value // the name of the goroutine that serves, or has served last
}

func newPond() *pond { return &pond{called: make(chan struct{}, 1)} }

func (p *pond) Serve(_ cq.Host, isRecalled *atomic.Bool) bool {
	select {
	case <-p.called: // of an earlier service
	default:
	}
	p.by.Store(goroutine())
	p.serves.Add(1)
	if !isRecalled.Load() && !p.isGone.Load() {
		<-p.called
	}
	return !p.isGone.Load()
}

func (p *pond) Tend() {}

func (p *pond) Nudge() {
	p.recalls.Add(1)
	select {
	case p.called <- struct{}{}:
	default:
	}
}

// goroutine is the name of the caller's.
func goroutine() string {
	var stack [64]byte
	name, _, _ := strings.Cut(string(stack[:runtime.Stack(stack[:], false)]), " [")
	return name
}

// crew is the workers of a server, and what they may serve.
type crew struct {
	*testing.T
	s *Server
	w *workers
	p *pond
}

// withCrew runs f in a bubble and then has all workers end.
func withCrew(t *testing.T, f func(c *crew)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := New()
		c := &crew{T: t, s: s, w: &s.workers, p: newPond()}
		f(c)
		synctest.Wait()
		c.w.close()
		synctest.Wait()
	})
}

// run hires a worker for f, and waits until nothing moves.
func (c *crew) run(f func()) {
	c.w.hire(job(c.s, f))
	synctest.Wait()
}

// offer offers the source.
func (c *crew) offer() {
	c.Helper()
	if !c.w.Offer(c.p) {
		c.Error("the offer is refused")
	}
	synctest.Wait()
}

// want checks, once nothing moves, how often the source was served and recalled, and how many
// workers wait.
func (c *crew) want(when string, serves, recalls int32, waits int) {
	c.Helper()
	synctest.Wait()
	if s, r, w := c.p.serves.Load(), c.p.recalls.Load(), c.w.waits(); s != serves || r != recalls || w != waits {
		c.Errorf("%s: served %d times, recalled %d, and %d workers wait; want %d, %d, %d",
			when, s, r, w, serves, recalls, waits)
	}
}

// block hires workers for n calls that return when release is closed, and counts them.
func (c *crew) block(n int, release <-chan struct{}) (began *atomic.Int32) {
	began = new(atomic.Int32)
	for range n {
		c.w.hire(job(c.s, func() { began.Add(1); <-release }))
	}
	synctest.Wait()
	return began
}

// A worker without a call serves, be it that it is idle when the offer comes or busy; and the next
// call is run by it.
func TestAWorkerServes(t *testing.T) {
	for _, tc := range []struct {
		name  string
		offer func(c *crew)
	}{
		{"idle", func(c *crew) { c.run(func() {}); c.offer() }},
		{"busy", func(c *crew) {
			c.run(func() {
				if !c.w.Offer(c.p) {
					c.Error("the offer is refused")
				}
			})
		}},
		{"not hired", func(c *crew) { c.offer(); c.want("nobody", 0, 0, 0); c.run(func() {}) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			withCrew(t, func(c *crew) {
				tc.offer(c)
				worker := c.p.by.Load()
				for i := range int32(3) {
					c.want("no call", i+1, i, 0)
					c.run(func() {
						if got := goroutine(); got != worker {
							c.Errorf("%s runs the call; want %s, which served", got, worker)
						}
					})
				}
				c.want("no more calls", 4, 3, 0)
			})
		})
	}
}

// Several calls that block at once each find a worker: the one that serves, those that wait, and
// new ones.
func TestWorkersForSeveralCalls(t *testing.T) {
	for _, waiting := range []int{0, 1, 2} {
		withCrew(t, func(c *crew) {
			release := make(chan struct{})
			c.block(waiting+1, release)
			close(release)
			c.want("all idle", 0, 0, waiting+1)
			c.offer()
			for i := range int32(3) {
				c.want("one serves", i+1, i, max(waiting, min(int(i), 1)*3))
				release = make(chan struct{})
				if n := c.block(4, release).Load(); n != 4 {
					c.Errorf("%d waiting: %d of 4 calls have begun", waiting, n)
				}
				c.want("nobody is idle", i+1, i+1, 0)
				close(release)
			}
		})
	}
}

// An offer wakes one waiting worker, and another offer none while the source is served.
func TestAnOfferWakesAWorker(t *testing.T) {
	withCrew(t, func(c *crew) {
		release := make(chan struct{})
		c.block(3, release)
		close(release)
		c.want("no source", 0, 0, 3)
		c.offer()
		c.want("offered", 1, 0, 2)
		c.offer()
		c.want("offered twice", 1, 0, 2)
		if c.w.Offer(newPond()) {
			c.Error("of two sources both are taken")
		}
		c.run(func() {})
		c.want("a call", 2, 1, 2)
	})
}

// What has been called away by a call that somebody else has run already serves again.
func TestAnotherWorkerTakesTheCall(t *testing.T) {
	withCrew(t, func(c *crew) {
		c.run(func() { c.w.Offer(c.p) })
		c.want("it serves", 1, 0, 0)
		var began sync.WaitGroup
		began.Add(2)
		both := func() { began.Done(); began.Wait() }
		c.run(func() {
			c.w.hire(job(c.s, both))
			both()
		})
		c.want("one serves again, the other waits", 2, 1, 1)
		ran := 0
		c.run(func() { ran++ })
		if ran != 1 {
			c.Error("the call has not run")
		}
		c.want("in the end", 3, 2, 1)
	})
}

// close recalls the worker that serves. Then nobody serves or takes an offer, but calls are run.
func TestCloseRecallsWhoServes(t *testing.T) {
	withCrew(t, func(c *crew) {
		release := make(chan struct{})
		c.block(2, release)
		close(release)
		synctest.Wait()
		c.offer()
		c.want("one serves", 1, 0, 1)
		before := leak.InBubble()
		c.w.close()
		c.want("closed", 1, 1, 0)
		if n := before - leak.InBubble(); n != 2 {
			c.Errorf("%d workers have ended; want 2", n)
		}
		if c.w.Offer(c.p) {
			c.Error("an offer is taken after close")
		}
		ran := false
		c.run(func() { ran = true })
		if !ran {
			c.Error("a call is not run after close")
		}
		c.want("after close", 1, 1, 0)
	})
}

// A worker that serves is not idle: time ends those that wait, not that one.
func TestIdleWorkersEndBesideOneThatServes(t *testing.T) {
	withCrew(t, func(c *crew) {
		release := make(chan struct{})
		c.block(3, release)
		close(release)
		synctest.Wait()
		c.offer()
		c.want("one serves", 1, 0, 2)
		time.Sleep(5 * idleWorkerLife) // fake clock
		c.want("a long time", 1, 0, 0)
		c.run(func() {})
		c.want("a call", 2, 1, 0)
		time.Sleep(5 * idleWorkerLife) // fake clock
		c.want("another long time", 2, 1, 0)
		c.p.isGone.Store(true)
		c.run(func() {})
		c.want("it waits as others do", 2, 2, 1)
		time.Sleep(5 * idleWorkerLife) // fake clock
		c.want("a long time in the end", 2, 2, 0)
	})
}

// A source that was withdrawn is not served again. Withdrawing another one changes nothing.
func TestWithdrawFromWorkers(t *testing.T) {
	withCrew(t, func(c *crew) {
		c.offer()
		c.w.Withdraw(newPond())
		c.run(func() {})
		c.want("another was withdrawn", 1, 0, 0)
		c.w.Withdraw(c.p) // it is served, and so it is the source that says the end
		c.p.isGone.Store(true)
		c.run(func() {})
		c.want("withdrawn while it was served", 1, 1, 1)
		c.p.isGone.Store(false)

		release := make(chan struct{})
		c.block(1, release)
		c.offer()
		c.w.Withdraw(c.p)
		close(release)
		c.want("withdrawn while nobody served", 1, 1, 1)
		other := newPond()
		if !c.w.Offer(other) {
			c.Error("the next source is refused")
		}
		synctest.Wait()
		if n := other.serves.Load(); n != 1 {
			c.Errorf("the next source was served %d times", n)
		}
	})
}

// When Serve reports false the worker waits for calls, and can be hired.
func TestWorkersForgetASource(t *testing.T) {
	withCrew(t, func(c *crew) {
		c.run(func() {})
		c.p.isGone.Store(true)
		c.offer()
		c.want("gone", 1, 0, 1)
		c.run(func() {})
		c.want("a call", 1, 0, 1)
		c.offer()
		c.want("gone again", 2, 0, 1)
	})
}

// TestServingLosesNoCall: calls that come at any moment, and a source that comes and goes.
func TestServingLosesNoCall(t *testing.T) {
	const callers, each = 3, 2000
	s := New()
	w, p := &s.workers, newPond()
	var ran atomic.Int32
	var calling sync.WaitGroup
	for range callers {
		calling.Go(func() {
			for i := range int32(each) {
				w.hire(job(s, func() {
					switch i % 8 {
					case 0:
						w.Offer(p)
					case 1:
						runtime.Gosched()
					case 2:
						p.isGone.Store(i%16 == 2)
					}
					ran.Add(1)
				}))
				for i%4 == 0 && ran.Load() < i {
					runtime.Gosched()
				}
			}
		})
	}
	calling.Wait()
	for ran.Load() < callers*each {
		runtime.Gosched()
	}
	w.close()
	if p.serves.Load() == 0 {
		t.Error("nobody has ever served")
	}
}
