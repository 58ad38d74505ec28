package cq_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc/cq"
)

// basin is a pool in a bubble, whose worker serves a spring while it has no task.
type basin struct {
	*testing.T
	p *cq.Pool
	q *cq.Queue
	s *spring
}

func newBasin(t *testing.T, size int) *basin {
	p := cq.NewPool(size)
	return &basin{T: t, p: p, q: cq.NewCallback(p, nil), s: newSpring()}
}

// inPools runs f in a bubble, with a pool of one worker and with a larger one.
func inPools(t *testing.T, f func(b *basin)) {
	t.Helper()
	for _, size := range []int{1, 3} {
		t.Run(fmt.Sprintf("size %d", size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBasin(t, size)
				f(b)
				b.p.Withdraw(b.s)
				b.p.Close()
			})
		})
	}
}

// run has a worker run f, and waits until nothing moves.
func (b *basin) run(f func()) {
	b.Helper()
	post(b.T, b.q, func(cq.Event) { f() })
	synctest.Wait()
}

// offer offers the source while a worker has a task, and returns that worker.
func (b *basin) offer() (worker string) {
	b.Helper()
	b.run(func() {
		worker = goroutine()
		if !b.p.Offer(b.s) {
			b.Error("a pool with a worker refuses the offer")
		}
	})
	return worker
}

// goroutine returns the name of the calling goroutine.
func goroutine() string {
	var stack [64]byte
	name, _, _ := strings.Cut(string(stack[:runtime.Stack(stack[:], false)]), " [")
	return name
}

// A worker without a task serves, and then runs the tasks that come, alone or with others.
func TestAPoolWorkerServes(t *testing.T) {
	inPools(t, func(b *basin) {
		worker := b.offer()
		for i := range int32(3) {
			b.s.want(b.T, "no task", i+1, i)
			b.run(func() {
				if got := goroutine(); got != worker {
					b.Errorf("%s runs the task; want %s, which served", got, worker)
				}
			})
		}
		b.s.want(b.T, "no more tasks", 4, 3)
	})
}

// A single worker runs tasks in the order they came; it is recalled once for all of them.
func TestTheOnlyWorkerServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBasin(t, 1)
		b.offer()
		b.s.busy = make(chan struct{})
		var got []int
		for i := range 10 {
			b.run(func() { got = append(got, i) })
		}
		b.s.want(b.T, "the worker is on its way", 1, 1)
		if len(got) > 0 {
			b.Errorf("who has run %v?", got)
		}
		close(b.s.busy)
		b.s.busy = nil
		b.s.want(b.T, "all have run", 2, 1)
		if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(got, want) {
			b.Errorf("ran %v; want %v", got, want)
		}
		b.p.Close()
	})
}

// A worker that is recalled for a task counts as hired: no other is hired before it has begun.
func TestWhoIsRecalledIsHired(t *testing.T) {
	inPools(t, func(b *basin) {
		worker := b.offer()
		b.s.busy = make(chan struct{})
		var ran atomic.Int32
		for i := range 3 {
			b.run(func() {
				if got := goroutine(); i == 0 && got != worker {
					b.Errorf("%s runs the first task; want %s, which was recalled for it", got, worker)
				}
				ran.Add(1)
			})
		}
		if n := ran.Load(); n > 0 {
			b.Errorf("%d tasks have run before who was recalled", n)
		}
		close(b.s.busy)
		b.s.busy = nil
		b.s.want(b.T, "all have run", 2, 1)
		if n := ran.Load(); n != 3 {
			b.Errorf("%d tasks have run; want 3", n)
		}
	})
}

// Tasks that block may use all workers of the pool, including the one that serves.
func TestPoolSizeWithAServingWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 3
		b := newBasin(t, size)
		b.offer()
		for i := range int32(3) {
			release := make(chan struct{})
			var running atomic.Int32
			for n := range int32(size + 2) {
				b.run(func() { running.Add(1); <-release })
				if got, want := running.Load(), min(n+1, size); got != want {
					b.Errorf("round %d: %d of %d tasks have begun; want %d", i, got, n+1, want)
				}
			}
			b.s.want(t, "nobody is idle", i+1, i+1)
			close(release)
			b.s.want(t, "all are", i+2, i+1)
		}
		b.p.Close()
	})
}

// So may a batch of tasks that block.
func TestABatchFindsAServingWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBasin(t, 3)
		b.offer()
		release := make(chan struct{})
		var running atomic.Int32
		block := func(cq.Event) { running.Add(1); <-release }
		flush(b.q, new(cq.Lane), block, block, block, block)
		synctest.Wait()
		if n := running.Load(); n != 3 {
			t.Errorf("%d tasks have begun; want 3", n)
		}
		b.s.want(t, "a batch", 1, 1)
		close(release)
		b.p.Close()
		if n := running.Load(); n != 4 {
			t.Errorf("%d tasks have run; want 4", n)
		}
	})
}

// Close recalls the worker that serves, and returns. The pool keeps the source: its next worker
// serves it.
func TestCloseRecallsTheWorker(t *testing.T) {
	inPools(t, func(b *basin) {
		b.offer()
		for i := range int32(3) {
			b.s.want(b.T, "before", i+1, i)
			b.p.Close()
			b.s.want(b.T, "closed", i+1, i+1)
			b.run(func() {})
		}
	})
}

// Close waits for the worker that serves, even if a task comes meanwhile.
func TestCloseWaitsForTheWorker(t *testing.T) {
	inPools(t, func(b *basin) {
		b.offer()
		b.s.busy = make(chan struct{})
		closed := make(chan struct{})
		go func() { b.p.Close(); close(closed) }()
		b.s.want(b.T, "closing", 1, 1)
		ran := false
		b.run(func() { ran = true })
		select {
		case <-closed:
			b.Error("Close has not waited for who serves")
		default:
		}
		close(b.s.busy)
		<-closed
		if !ran {
			b.Error("the task has not run")
		}
		b.s.want(b.T, "closed", 1, 1)
	})
}

// A pool takes a source only if it has a worker that may serve it, and is not being closed.
func TestPoolRefusesOffers(t *testing.T) {
	inPools(t, func(b *basin) {
		refused := func(when string, s cq.Source) {
			if b.p.Offer(s) {
				b.Errorf("%s: the offer is taken", when)
				b.p.Withdraw(s)
			}
		}
		refused("nobody works", b.s)
		release, closed := make(chan struct{}), make(chan struct{})
		b.run(func() { <-release })
		for range 2 { // the same source may come again
			if !b.p.Offer(b.s) {
				b.Error("a pool with a worker refuses the offer")
			}
		}
		refused("it has another", newSpring())
		b.p.Withdraw(newSpring()) // of another source, which is no matter
		refused("it has another still", newSpring())
		b.p.Withdraw(b.s)
		go func() { b.p.Close(); close(closed) }()
		synctest.Wait()
		refused("it is being closed", b.s)
		close(release)
		<-closed
		refused("all have ended", b.s)
		b.s.want(b.T, "in the end", 0, 0)
	})
}

// A source that was withdrawn is not served again, except by the worker that is serving it.
func TestWithdrawFromAPool(t *testing.T) {
	inPools(t, func(b *basin) {
		release := make(chan struct{})
		b.run(func() { <-release })
		b.p.Offer(b.s)
		b.p.Withdraw(b.s)
		close(release)
		b.s.want(b.T, "withdrawn before", 0, 0)

		b.s.during = func() bool {
			<-b.s.called
			b.p.Withdraw(b.s)
			return false
		}
		b.offer()
		b.s.want(b.T, "offered anew", 1, 0)
		b.run(func() {})
		b.run(func() {})
		b.s.want(b.T, "withdrawn while it was served", 1, 1)
		if b.p.Offer(b.s) {
			b.Error("somebody works still")
		}
	})
}

// When Serve reports that the source is no longer the pool's, the worker ends.
func TestAPoolForgetsASource(t *testing.T) {
	inPools(t, func(b *basin) {
		b.s.during = func() bool { return false }
		b.offer()
		b.s.want(b.T, "not the pool's", 1, 0)
		if b.p.Offer(b.s) {
			b.Error("somebody works still")
		}
		b.run(func() {})
		b.s.want(b.T, "a task", 1, 0)
	})
}

// After a worker has ended its goroutine while it served, the pool still runs tasks and takes
// offers.
func TestAServiceMayEndItsGoroutine(t *testing.T) {
	for _, tc := range []struct {
		name       string
		isRecalled bool // for a task, before the goroutine ends
	}{{"idle", false}, {"recalled", true}} {
		t.Run(tc.name, func(t *testing.T) {
			inPools(t, func(b *basin) {
				isTried := true
				b.s.during = func() bool {
					if isTried {
						isTried = false
						if tc.isRecalled {
							<-b.s.called
						}
						runtime.Goexit()
					}
					<-b.s.called
					return true
				}
				b.offer()
				ran := 0
				for range 3 {
					b.run(func() { ran++ })
				}
				if ran != 3 {
					b.Errorf("%d of 3 tasks have run", ran)
				}
				serves := b.s.serves.Load()
				b.offer()
				b.s.want(b.T, "offered anew", serves+1, b.s.recalls.Load())
			})
		})
	}
}

// TestServingLosesNoTask: workers serve, are sent away for nothing and lose their source, and tasks
// come at any moment. All tasks run, and there are never more workers than allowed.
func TestServingLosesNoTask(t *testing.T) {
	const producers, each = 3, 3000
	for _, size := range []int{1, 3} {
		t.Run(fmt.Sprintf("size %d", size), func(t *testing.T) {
			p := cq.NewPool(size)
			q := cq.NewCallback(p, nil)
			s := &fickle{called: make(chan struct{}, 1)}
			var posted, ran, running atomic.Int32
			var producing sync.WaitGroup
			for range producers {
				producing.Go(func() {
					for i := range each {
						post(t, q, func(cq.Event) {
							if n := running.Add(1); int(n) > size {
								t.Errorf("%d tasks run at once", n)
							}
							if i%3 == 0 {
								p.Offer(s)
							}
							running.Add(-1)
							ran.Add(1)
						})
						if n := posted.Add(1); i%4 == 0 { // workers become idle now and then
							waitFor(func() bool { return ran.Load() >= n })
						}
						if i%500 == 0 {
							p.Close()
						}
					}
				})
			}
			producing.Wait()
			p.Close()
			if got := ran.Load(); got != producers*each {
				t.Errorf("%d tasks have run; want %d", got, producers*each)
			}
			if s.waits == 0 {
				t.Error("nobody has ever waited for a recall")
			}
		})
	}
}

// waitFor waits until ok holds.
func waitFor(ok func() bool) {
	for !ok() {
		runtime.Gosched()
	}
}
