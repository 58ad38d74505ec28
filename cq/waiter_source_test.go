package cq_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

// waited is what a Wait has returned.
type waited struct {
	ev cq.Event
	ok bool
}

// serveAndWait waits as the sync style does, on a goroutine of its own: it serves s first.
func serveAndWait(w *cq.Waiter, ctx context.Context, s cq.Source) <-chan waited {
	got := make(chan waited, 1)
	go func() {
		w.Serve(ctx, s)
		ev, ok := w.Wait(ctx)
		got <- waited{ev, ok}
	}()
	return got
}

// wantWaited checks that the wait is over, with this event.
func wantWaited(t *testing.T, got <-chan waited, want cq.Event) {
	t.Helper()
	synctest.Wait()
	select {
	case g := <-got:
		if g.ev != want || g.ok != (want.Kind == cq.OpComplete) {
			t.Errorf("Wait returns %+v, %v; want %+v", g.ev, g.ok, want)
		}
	default:
		t.Fatalf("nobody has ended the wait; want %+v", want)
	}
}

// begin begins an operation of w or fails the test.
func begin(t *testing.T, w *cq.Waiter) {
	t.Helper()
	if !w.Begin() {
		t.Fatal("the last operation is outstanding")
	}
}

func end(w *cq.Waiter, tag cq.Tag) { w.Complete(cq.Completion{Tag: tag, OK: true}) }

// work is a Source made of a function.
type work func(h cq.Host, isRecalled *atomic.Bool) bool

func (f work) Serve(h cq.Host, isRecalled *atomic.Bool) bool { return f(h, isRecalled) }
func (work) Tend()                                           {}

func (work) Nudge() {}

// A goroutine that waits with a Waiter serves until its operation has ended, and is recalled once.
// The Waiter can be used again, also after an operation that was not served for.
func TestAWaiterServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w cq.Waiter
		s := newSpring()
		for i := range int32(5) {
			begin(t, &w)
			got := serveAndWait(&w, t.Context(), s)
			s.want(t, "nothing has ended", i+1, i)
			end(&w, i)
			wantWaited(t, got, completed(i))
			s.want(t, "the end", i+1, i+1)

			begin(t, &w)
			end(&w, "unserved")
			wantWait(t, &w, t.Context(), completed("unserved"))
			s.want(t, "nobody waited", i+1, i+1)
		}
	})
}

// If the serving goroutine itself completes the operation, it is recalled all the same.
func TestAWaiterFindsItsOwnEnd(t *testing.T) {
	var w cq.Waiter
	serves := 0
	for i := range 3 {
		begin(t, &w)
		w.Serve(t.Context(), work(func(h cq.Host, isRecalled *atomic.Bool) bool {
			serves++
			if h != w.Host() || h != cq.Waiters() {
				t.Errorf("it serves for %v", h)
			}
			if isRecalled.Load() {
				t.Error("it is recalled before the end")
			}
			if end(&w, i); !isRecalled.Load() {
				t.Error("it is not recalled at the end")
			}
			return true
		}))
		wantWait(t, &w, t.Context(), completed(i))
	}
	if serves != 3 {
		t.Errorf("served %d times for 3 operations", serves)
	}
}

// When the context ends the goroutine is recalled. The operation is still outstanding, and the next
// wait, which may serve again, is for it.
func TestTheEndOfTheContextRecallsAWaiter(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(context.Context) (context.Context, context.CancelFunc)
		want error
		took time.Duration
	}{
		{"cancelled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, context.Canceled, time.Second},
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		}, context.DeadlineExceeded, time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w cq.Waiter
				s := newSpring()
				for i := range int32(2) {
					began := time.Now()
					ctx, cancel := tc.make(t.Context())
					begin(t, &w)
					got := serveAndWait(&w, ctx, s)
					s.want(t, "before", 2*i+1, 2*i)
					<-ctx.Done()
					wantWaited(t, got, cq.Event{Kind: cq.Timeout, Err: tc.want})
					s.want(t, "the context has ended", 2*i+1, 2*i+1)
					if took := time.Since(began); took != tc.took {
						t.Errorf("it took %v; want %v", took, tc.took)
					}
					if w.Begin() {
						t.Fatal("the operation is not outstanding any more")
					}
					got = serveAndWait(&w, t.Context(), s)
					s.want(t, "again", 2*i+2, 2*i+1)
					end(&w, i)
					wantWaited(t, got, completed(i))
					s.want(t, "the end", 2*i+2, 2*i+2)
					cancel()
				}
			})
		})
	}
}

// A context that ends after the operation recalls nobody, in particular not the next operation.
func TestAContextThatEndsLateRecallsNoWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w cq.Waiter
		s := newSpring()
		ctx, cancel := context.WithCancel(t.Context())
		begin(t, &w)
		got := serveAndWait(&w, ctx, s)
		synctest.Wait()
		end(&w, 1)
		wantWaited(t, got, completed(1))
		begin(t, &w)
		got = serveAndWait(&w, t.Context(), s)
		s.want(t, "the next operation", 2, 1)
		cancel()
		s.want(t, "the context of the last has ended", 2, 1)
		end(&w, 2)
		wantWaited(t, got, completed(2))
	})
}

// Without a source of its own the goroutine waits as usual.
func TestAWaiterWithoutASourceParks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w cq.Waiter
		s := newSpring()
		s.during = func() bool { return false }
		for i := range int32(3) {
			begin(t, &w)
			got := serveAndWait(&w, t.Context(), s)
			s.want(t, "not the waiter's", i+1, 0)
			end(&w, i)
			wantWaited(t, got, completed(i))
			s.want(t, "the end", i+1, 0)

			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			begin(t, &w)
			wantWait(t, &w, ctx, cq.Event{Kind: cq.Timeout, Err: context.DeadlineExceeded})
			end(&w, "late")
			wantWait(t, &w, ctx, completed("late"))
			cancel()
		}
	})
}

// A source that sends the waiter away for nothing is served again.
func TestAWaiterServesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w cq.Waiter
		s := newSpring()
		s.during = func() bool {
			if s.serves.Load() == 3 {
				<-s.called
			}
			return true
		}
		begin(t, &w)
		got := serveAndWait(&w, t.Context(), s)
		s.want(t, "twice for nothing", 3, 0)
		end(&w, tag)
		wantWaited(t, got, completed(tag))
		s.want(t, "the end", 3, 1)
	})
}

// Of several sources for one operation only the first is served: a nudge of it may be under way.
func TestAWaiterServesOneSource(t *testing.T) {
	var w cq.Waiter
	first, other := newSpring(), newSpring()
	first.during = func() bool { return false }
	other.during = first.during
	begin(t, &w)
	for _, s := range []*spring{first, other, first} {
		w.Serve(t.Context(), s)
	}
	if n, no := first.serves.Load(), other.serves.Load(); n != 2 || no != 0 {
		t.Errorf("the first was served %d times, the other %d times; want 2 and 0", n, no)
	}
	end(&w, tag)
	wantWait(t, &w, t.Context(), completed(tag))
	begin(t, &w)
	if w.Serve(t.Context(), other); other.serves.Load() != 1 {
		t.Error("the other is not served for another operation")
	}
	end(&w, tag)
	wantWait(t, &w, t.Context(), completed(tag))
}

// Serve does nothing if there is nothing to wait for, or no time left.
func TestAWaiterThatNeedNotServe(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name   string
		before func(w *cq.Waiter)
		ctx    context.Context
		want   cq.Event
	}{
		{"nothing is begun", func(*cq.Waiter) {}, t.Context(), cq.Event{Kind: cq.Misuse, Err: cq.ErrNotBegun}},
		{"it has ended", func(w *cq.Waiter) { w.Begin(); end(w, tag) }, t.Context(), completed(tag)},
		{"it has ended, and so has the context", func(w *cq.Waiter) { w.Begin(); end(w, tag) }, over, completed(tag)},
		{"the context has ended", func(w *cq.Waiter) { w.Begin() }, over, cq.Event{Kind: cq.Timeout, Err: context.Canceled}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var w cq.Waiter
			tc.before(&w)
			w.Serve(tc.ctx, work(func(cq.Host, *atomic.Bool) bool {
				t.Error("it serves")
				return false
			}))
			wantWait(t, &w, tc.ctx, tc.want)
		})
	}
}

// A finalizer that begins another operation finds the Waiter ready for it.
func TestAFinalizerBeginsAgainAfterServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w cq.Waiter
		s := newSpring()
		begin(t, &w)
		got := serveAndWait(&w, t.Context(), s)
		synctest.Wait()
		w.Complete(cq.Completion{Finalizer: finalize(func(*cq.Event) bool {
			begin(t, &w)
			return false
		})})
		s.want(t, "swallowed", 1, 1)
		end(&w, tag)
		wantWaited(t, got, completed(tag))
		s.want(t, "the end", 1, 1)
	})
}

// Offers to Waiters are always taken: somebody will wait.
func TestWaitersAreAHost(t *testing.T) {
	s := newSpring()
	if h := cq.Waiters(); !h.Offer(s) || h != new(cq.Waiter).Host() {
		t.Error("waiters do not take an offer")
	}
	cq.Waiters().Withdraw(s)
	if n := s.serves.Load() + s.recalls.Load(); n != 0 {
		t.Errorf("the source was called %d times", n)
	}
}

// fickle is a Source that now and then sends the goroutine away for nothing, or for good. It waits
// for a recall of the current service: an earlier recall does not count.
type fickle struct {
	called chan struct{} // capacity 1
	waits  int           // how often it has waited
}

func (s *fickle) Serve(_ cq.Host, isRecalled *atomic.Bool) bool {
	select {
	case <-s.called:
	default:
	}
	switch rand.IntN(8) {
	case 0:
		return false
	case 1:
		return true
	case 2:
		runtime.Gosched()
	}
	if !isRecalled.Load() {
		s.waits++
		<-s.called
	}
	return true
}

func (s *fickle) Tend() {}

func (s *fickle) Nudge() {
	select {
	case s.called <- struct{}{}:
	default:
	}
}

// TestServingLosesNoCompletion: an operation ends at any moment of a wait, which the source or the
// context may cut short. Nobody sleeps through a recall. A goroutine that has cancelled and waits
// on may serve a second time.
func TestServingLosesNoCompletion(t *testing.T) {
	for _, tc := range []struct {
		name  string
		again func(w *cq.Waiter, s cq.Source)
	}{
		{"served once", func(*cq.Waiter, cq.Source) {}},
		{"served again", func(w *cq.Waiter, s cq.Source) { w.Serve(context.Background(), s) }},
	} {
		t.Run(tc.name, func(t *testing.T) { serveAndEnd(t, tc.again) })
	}
}

func serveAndEnd(t *testing.T, again func(w *cq.Waiter, s cq.Source)) {
	t.Helper()
	const rounds = 20_000
	var w cq.Waiter
	s := &fickle{called: make(chan struct{}, 1)}
	ends := make(chan int)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := range ends {
			spin(rand.IntN(200))
			end(&w, i)
		}
	}()
	for i := range rounds {
		ctx, cancel := context.WithCancel(context.Background())
		begin(t, &w)
		ends <- i
		if i%3 == 0 {
			go func() {
				spin(rand.IntN(200))
				cancel()
			}()
		}
		w.Serve(ctx, s)
		ev, ok := w.Wait(ctx)
		if !ok {
			wantEvent(t, ev, cq.Event{Kind: cq.Timeout, Err: context.Canceled})
			again(&w, s)
			ev, _ = w.Wait(context.Background())
		}
		wantEvent(t, ev, completed(i))
		cancel()
	}
	close(ends)
	<-ended
	if s.waits == 0 {
		t.Error("nobody has ever waited for a recall")
	}
	t.Logf("waited for a recall in %d of %d rounds", s.waits, rounds)
}

// spin passes some time, about n hundredths of a microsecond.
func spin(n int) {
	var x atomic.Int32
	for range n {
		x.Add(1)
	}
}
