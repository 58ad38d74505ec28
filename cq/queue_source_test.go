package cq_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc/cq"
)

// A queue drops a source whose Serve panics or ends the goroutine. Events are still taken, and
// another source is served.
func TestAServiceThatDoesNotReturn(t *testing.T) {
	for name, leave := range map[string]func(){"panic": func() { panic("of the source") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			inEachHarvest(t, func(t *testing.T, s *spring, q *cq.Queue, next harvest) {
				s.during = func() bool { leave(); return true }
				gone := make(chan any, 1)
				go func() {
					defer func() { gone <- recover() }()
					next(context.Background())
				}()
				if got := <-gone; (got != nil) != (name == "panic") {
					t.Errorf("recovered %v", got)
				}
				post(t, q, 1)
				wantEvent(t, next(context.Background()), completed(1))
				s.want(t, "after that", 1, 0)

				other := newSpring()
				offer(t, q, other)
				got := next.start(context.Background())
				other.want(t, "another source", 1, 0)
				post(t, q, 2)
				wantEvent(t, <-got, completed(2))
				other.want(t, "an event", 1, 1)
				q.Shutdown()
				wantEvent(t, next(context.Background()), shutdown)
			})
		})
	}
}

// The poller that serves takes what comes meanwhile, so no other is woken for it. If that poller
// ends first, another is woken.
func TestAnEventOfAPollerThatIsGone(t *testing.T) {
	inEachHarvest(t, func(t *testing.T, s *spring, q *cq.Queue, next harvest) {
		isParked := make(chan struct{})
		s.during = func() bool {
			<-isParked
			var lane cq.Lane
			lane.SetHost(q)
			flush(q, &lane, 1)
			runtime.Goexit()
			return true
		}
		go next(context.Background())
		synctest.Wait()
		got := next.start(context.Background())
		wantParked(t, q, "one serves", 1)
		close(isParked)
		wantEvent(t, <-got, completed(1))
		q.Shutdown()
		wantEvent(t, next(context.Background()), shutdown)
	})
}

// A source that was withdrawn is not served again, except by the poller that is serving it, unless
// it is offered anew.
func TestWithdrawFromAQueue(t *testing.T) {
	inEachHarvest(t, func(t *testing.T, s *spring, q *cq.Queue, next harvest) {
		q.Withdraw(newSpring()) // of another source, which is no matter
		got := next.start(context.Background())
		s.want(t, "another was withdrawn", 1, 0)
		q.Withdraw(s)
		s.want(t, "withdrawn while it is served", 1, 0)
		post(t, q, 1)
		wantEvent(t, <-got, completed(1))

		got = next.start(context.Background())
		s.want(t, "withdrawn before", 1, 1)
		wantParked(t, q, "withdrawn before", 1)
		offer(t, q, s)
		s.want(t, "offered anew", 2, 1)
		q.Withdraw(s)
		offer(t, q, s)
		post(t, q, 2)
		wantEvent(t, <-got, completed(2))

		got = next.start(context.Background())
		s.want(t, "offered anew while it is served", 3, 2)
		post(t, q, 4)
		wantEvent(t, <-got, completed(4))
		q.Withdraw(s)
		got = next.start(context.Background())
		wantParked(t, q, "withdrawn before it was served", 1)
		post(t, q, 3)
		wantEvent(t, <-got, completed(3))
		s.want(t, "in the end", 3, 3)
	})
}

// A parked poller stays parked when the source that another one serves is withdrawn, and still gets
// events.
func TestWithdrawLeavesParkedPollers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, q := newSpring(), cq.New()
		offer(t, q, s)
		next := harvest(q.Next)
		first := next.start(t.Context())
		s.want(t, "one poller", 1, 0)
		second := next.start(t.Context())
		wantParked(t, q, "two pollers", 1)
		q.Withdraw(s)
		post(t, q, 1)
		wantEvent(t, <-second, completed(1))
		post(t, q, 2)
		wantEvent(t, <-first, completed(2))
		s.want(t, "in the end", 1, 1)
	})
}

// executor is an Executor that is no Host.
type executor struct{}

func (executor) Execute(batch []cq.Task) { cq.Inline().Execute(batch) }

func TestQueueHost(t *testing.T) {
	next, pool := cq.New(), cq.NewPool(1)
	own := cq.NewCallback(nil, nil)
	for _, tc := range []struct {
		name string
		q    *cq.Queue
		want cq.Host
	}{
		{"next", next, next},
		{"pluck", cq.NewPluck(), nil},
		{"callback, inline", newInline(), nil},
		{"callback, an executor", cq.NewCallback(executor{}, nil), nil},
		{"callback, a pool", cq.NewCallback(pool, nil), pool},
	} {
		if got := tc.q.Host(); got != tc.want {
			t.Errorf("%s: %v; want %v", tc.name, got, tc.want)
		}
	}
	if got := fmt.Sprintf("%T", own.Host()); got != "*cq.Pool" {
		t.Errorf("a queue with a pool of its own has the host %s", got)
	}
}

// A poller tends the source between the events that it finds, but not while the source is served,
// nor when there is nothing more to take: then it serves.
func TestAPollerTendsBetweenEvents(t *testing.T) {
	inEachHarvest(t, func(t *testing.T, s *spring, q *cq.Queue, next harvest) {
		post(t, q, 1, 2, 3)
		for n := range 3 {
			if got := s.tends.Load(); got != int32(n) {
				t.Errorf("tended %d times after %d events", got, n)
			}
			wantEvent(t, next(context.Background()), completed(n+1))
		}
		s.want(t, "there were events", 0, 0)
		got := next.start(context.Background())
		s.want(t, "there is none", 1, 0)
		post(t, q, 4, 5)
		wantEvent(t, <-got, completed(4))
		before := s.tends.Load()
		got = next.start(context.Background())
		wantEvent(t, <-got, completed(5))
		if s.tends.Load() != before+1 {
			t.Errorf("tended %d times for one more event", s.tends.Load()-before)
		}

		block := make(chan struct{})
		s.during = func() bool { <-block; return true }
		got = next.start(context.Background())
		s.want(t, "it serves", 2, s.recalls.Load())
		before = s.tends.Load()
		post(t, q, 6)
		wantEvent(t, next(context.Background()), completed(6))
		if s.tends.Load() != before {
			t.Error("tended while it is served")
		}
		close(block)
		post(t, q, 7)
		wantEvent(t, <-got, completed(7))
	})
}
