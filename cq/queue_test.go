package cq_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

var shutdown = cq.Event{Kind: cq.Shutdown}

func TestEventsComeInTheOrderOfTheEnds(t *testing.T) {
	q := cq.New()
	for range 3 {
		if !q.Begin() {
			t.Fatal("Begin on an open queue is false")
		}
	}
	for _, tag := range []int{2, 3, 1} {
		q.Complete(cq.Completion{Tag: tag, OK: true})
	}
	for _, tag := range []int{2, 3, 1} {
		wantEvent(t, q.Next(t.Context()), completed(tag))
	}
}

func TestTheSameTagMayBeOutstandingTwice(t *testing.T) {
	q := cq.New()
	post(t, q, tag, tag)
	wantEvent(t, q.Next(t.Context()), completed(tag))
	wantEvent(t, q.Next(t.Context()), completed(tag))
}

func TestShutdownWaitsForOperationsAndEvents(t *testing.T) {
	q := cq.New()
	q.Begin()
	q.Shutdown()
	q.Shutdown()
	if !q.Begin() {
		t.Error("Begin is false while an operation is in flight")
	}
	if kind := q.NextUntil(past).Kind; kind != cq.Timeout {
		t.Errorf("with operations in flight: got %v, want a timeout", kind)
	}
	q.Complete(cq.Completion{Tag: 1, OK: true})
	q.Complete(cq.Completion{Tag: 2})
	if q.Begin() {
		t.Error("Begin is true on a finished queue")
	}
	wantErr(t, q.Post(3, true), cq.ErrShutdown)
	wantEvent(t, q.Next(t.Context()), completed(1))
	wantEvent(t, q.Next(t.Context()), cq.Event{Kind: cq.OpComplete, Tag: 2})
	for range 3 {
		wantEvent(t, q.Next(t.Context()), shutdown)
	}
}

func TestShutdownWakesEveryPoller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, q := range []*cq.Queue{cq.New(), cq.NewPluck()} {
			got := make(chan cq.Event, 10)
			for range 10 {
				go func() { got <- nextOrPluck(q, context.Background()) }()
			}
			synctest.Wait()
			q.Shutdown()
			for range 10 {
				wantEvent(t, <-got, shutdown)
			}
		}
	})
}

// nextOrPluck harvests tag from a queue of either kind.
func nextOrPluck(q *cq.Queue, ctx context.Context) cq.Event {
	if ev := q.Next(ctx); ev.Kind != cq.Misuse {
		return ev
	}
	return q.Pluck(ctx, tag)
}

func TestAnEventIsPreferredToTheEndOfThePatience(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	next, pluck := cq.New(), cq.NewPluck()
	var dst [1]cq.Event
	for range 100 {
		post(t, next, 1, 2, 3)
		wantEvent(t, next.Next(ended), completed(1))
		wantEvent(t, next.NextUntil(past), completed(2))
		if n, kind := next.NextN(ended, dst[:]); n != 1 || kind != cq.OpComplete {
			t.Fatalf("NextN: got %d, %v", n, kind)
		}
		post(t, pluck, 1, 2)
		wantEvent(t, pluck.Pluck(ended, 2), completed(2))
		wantEvent(t, pluck.PluckUntil(past, 1), completed(1))
	}
}

func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next, pluck := cq.New(), cq.NewPluck()
		post(t, pluck, "other")
		tests := map[string]func(context.Context, time.Time) cq.Event{
			"Next":       func(ctx context.Context, _ time.Time) cq.Event { return next.Next(ctx) },
			"NextUntil":  func(_ context.Context, d time.Time) cq.Event { return next.NextUntil(d) },
			"Pluck":      func(ctx context.Context, _ time.Time) cq.Event { return pluck.Pluck(ctx, tag) },
			"PluckUntil": func(_ context.Context, d time.Time) cq.Event { return pluck.PluckUntil(d, tag) },
			"NextN": func(ctx context.Context, _ time.Time) cq.Event {
				n, kind := next.NextN(ctx, make([]cq.Event, 4))
				return cq.Event{Kind: kind, Err: ctx.Err(), OK: n != 0}
			},
		}
		for name, wait := range tests {
			for range 2 { // the second uses the poller of the first again
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				ev := wait(ctx, start.Add(time.Minute))
				cancel()
				if ev != (cq.Event{Kind: cq.Timeout, Err: context.DeadlineExceeded}) {
					t.Errorf("%s: got %+v, want a timeout", name, ev)
				}
				if waited := time.Since(start); waited != time.Minute {
					t.Errorf("%s waited %v, want 1m", name, waited)
				}
			}
		}
	})
}

func TestTheZeroDeadlineIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next, pluck := cq.New(), cq.NewPluck()
		time.AfterFunc(1000*time.Hour, func() {
			post(t, next, tag)
			post(t, pluck, tag)
		})
		wantEvent(t, next.NextUntil(time.Time{}), completed(tag))
		wantEvent(t, pluck.PluckUntil(time.Time{}, tag), completed(tag))
	})
}

func TestWrongKind(t *testing.T) {
	ctx := t.Context()
	next, pluck, callback := cq.New(), cq.NewPluck(), cq.NewCallback(cq.Inline(), nil)
	want := cq.Event{Kind: cq.Misuse, Err: cq.ErrWrongKind}
	for _, q := range []*cq.Queue{pluck, callback} {
		wantEvent(t, q.Next(ctx), want)
		wantEvent(t, q.NextUntil(past), want)
		if n, kind := q.NextN(ctx, make([]cq.Event, 1)); n != 0 || kind != cq.Misuse {
			t.Errorf("NextN: got %d, %v; want a misuse", n, kind)
		}
		yielded := 0
		for ev := range q.Events(ctx) {
			wantEvent(t, ev, want)
			yielded++
		}
		if yielded != 1 {
			t.Errorf("Events yielded %d times, want the misuse once", yielded)
		}
	}
	for _, q := range []*cq.Queue{next, callback} {
		wantEvent(t, q.Pluck(ctx, tag), want)
		wantEvent(t, q.PluckUntil(past, tag), want)
	}
	if n, kind := next.NextN(ctx, nil); n != 0 || kind != cq.Misuse {
		t.Errorf("NextN with no room: got %d, %v; want a misuse", n, kind)
	}
}

func TestCompleteWithoutBeginPanics(t *testing.T) {
	const bug = "BUG: cq.Queue: Complete without Begin"
	complete := func(q *cq.Queue) func() {
		return func() { q.Complete(cq.Completion{Tag: func(cq.Event) {}}) }
	}
	for _, make := range []func() *cq.Queue{cq.New, cq.NewPluck, newInline} {
		mustPanic(t, bug, complete(make()))
		finished := make()
		finished.Shutdown()
		mustPanic(t, bug, complete(finished))
	}
}

func newInline() *cq.Queue { return cq.NewCallback(cq.Inline(), nil) }

func TestFinalizerRunsInTheHarvesterWithoutTheLock(t *testing.T) {
	why := errors.New("because")
	for name, harvest := range map[string]func(*cq.Queue) cq.Event{
		"Next": func(q *cq.Queue) cq.Event { return q.Next(t.Context()) },
		"NextN": func(q *cq.Queue) cq.Event {
			var dst [5]cq.Event
			if n, kind := q.NextN(t.Context(), dst[:]); n != 1 || kind != cq.OpComplete {
				t.Errorf("NextN: got %d, %v", n, kind)
			}
			for _, ev := range dst[1:] {
				wantEvent(t, ev, cq.Event{})
			}
			return dst[0]
		},
	} {
		q := cq.New()
		swallowed := 0
		swallow := finalize(func(*cq.Event) bool { swallowed++; return false })
		change := finalize(func(ev *cq.Event) bool {
			_ = q.String() // takes the lock
			wantEvent(t, *ev, completed(1))
			*ev = cq.Event{Kind: cq.OpComplete, Tag: 2, Err: why}
			return true
		})
		for _, f := range []cq.Finalizer{swallow, swallow, change, swallow} {
			q.Begin()
			q.Complete(cq.Completion{Tag: 1, OK: true, Finalizer: f})
		}
		t.Run(name, func(t *testing.T) {
			wantEvent(t, harvest(q), cq.Event{Kind: cq.OpComplete, Tag: 2, Err: why})
			q.Shutdown()
			wantEvent(t, q.Next(t.Context()), shutdown)
			if swallowed != 3 {
				t.Errorf("swallowed %d completions, want 3", swallowed)
			}
		})
	}
}

func TestFinalizerMayBeginAgain(t *testing.T) {
	q := cq.New()
	q.Begin()
	q.Begin() // keeps the queue from finishing before the finalizer runs
	q.Complete(cq.Completion{Finalizer: finalize(func(*cq.Event) bool { return q.Post(2, true) != nil })})
	q.Shutdown()
	wantEvent(t, q.Next(t.Context()), completed(2))
	q.Complete(cq.Completion{Tag: 3, OK: true})
	wantEvent(t, q.Next(t.Context()), completed(3))
	wantEvent(t, q.Next(t.Context()), shutdown)
}

func TestNextNTakesManyInOrder(t *testing.T) {
	q := cq.New()
	for i := range 100 {
		post(t, q, i)
	}
	q.Shutdown()
	next := 0
	var dst [40]cq.Event
	for {
		n, kind := q.NextN(t.Context(), dst[:])
		if kind == cq.Shutdown {
			break
		}
		for _, ev := range dst[:n] {
			wantEvent(t, ev, completed(next))
			next++
		}
	}
	if next != 100 {
		t.Errorf("took %d events, want 100", next)
	}
}

func TestEventsStopsAndResumes(t *testing.T) {
	q := cq.New()
	post(t, q, 1, 2, 3)
	for ev := range q.Events(t.Context()) {
		wantEvent(t, ev, completed(1))
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	want := 2
	for ev := range q.Events(ctx) {
		wantEvent(t, ev, completed(want))
		if want++; want == 4 {
			cancel() // with nothing left the loop ends
		}
	}
	q.Shutdown()
	for ev := range q.Events(t.Context()) {
		t.Errorf("event %+v from a drained queue", ev)
	}
}

func TestCloseDrains(t *testing.T) {
	for _, q := range []*cq.Queue{cq.New(), cq.NewPluck()} {
		freed := 0
		q.Begin()
		q.Complete(cq.Completion{Tag: 1, Finalizer: finalize(func(*cq.Event) bool { freed++; return true })})
		post(t, q, 2, 3)
		for range 2 {
			wantErr(t, q.Close(t.Context()), nil)
		}
		if freed != 1 {
			t.Errorf("finalizer ran %d times, want once", freed)
		}
		wantEvent(t, nextOrPluck(q, t.Context()), shutdown)
	}
}

func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, q := range []*cq.Queue{cq.New(), cq.NewPluck(), newInline()} {
			q.Begin()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			wantErr(t, q.Close(ctx), context.DeadlineExceeded)
			cancel()
			time.AfterFunc(time.Second, func() { q.Complete(cq.Completion{Tag: func(cq.Event) {}}) })
			wantErr(t, q.Close(t.Context()), nil)
		}
	})
}

// A finalizer that panics or ends the goroutine loses its own event and no other.
func TestNextNLosesNothing(t *testing.T) {
	for name, crash := range map[string]func(){"panic": func() { panic("codec") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			q := cq.New()
			reason := errors.New("the reason")
			complete := func(tag int, f finalize) {
				q.Begin()
				q.Complete(cq.Completion{Tag: tag, OK: true, Finalizer: f})
			}
			post(t, q, 1)
			complete(2, func(ev *cq.Event) bool { ev.OK, ev.Err = false, reason; return true })
			complete(3, func(*cq.Event) bool { return false })
			complete(4, func(*cq.Event) bool { crash(); return true })
			complete(5, func(*cq.Event) bool { return true })
			var dst [10]cq.Event
			crashed := make(chan struct{})
			go func() {
				defer close(crashed)
				defer func() { _ = recover() }()
				q.NextN(t.Context(), dst[:])
			}()
			<-crashed
			post(t, q, 6)
			n, _ := q.NextN(t.Context(), dst[:])
			want := []cq.Event{
				completed(1), {Kind: cq.OpComplete, Tag: 2, Err: reason}, completed(5), completed(6),
			}
			if !slices.Equal(dst[:n], want) {
				t.Errorf("got %+v, want %+v", dst[:n], want)
			}
			q.Shutdown()
			wantEvent(t, q.Next(t.Context()), shutdown)
		})
	}
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := func(q *cq.Queue, want cq.Stats) {
			t.Helper()
			synctest.Wait()
			if got := q.Stats(); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		q := cq.New()
		want(q, cq.Stats{})
		post(t, q, 1, 2)
		q.Begin()
		want(q, cq.Stats{Pending: 1, Ready: 2})
		for range q.Events(t.Context()) {
			want(q, cq.Stats{Pending: 2, Ready: 1}) // one is in hand
			break
		}
		q.Next(t.Context())
		done := make(chan cq.Event)
		go func() { done <- q.Next(t.Context()) }()
		want(q, cq.Stats{Pending: 1, Waiting: 1})
		q.Shutdown()
		want(q, cq.Stats{Pending: 1, Waiting: 1})
		q.Complete(cq.Completion{Tag: 3, OK: true})
		wantEvent(t, <-done, completed(3))
		want(q, cq.Stats{})
	})
}

func TestString(t *testing.T) {
	q := cq.New()
	post(t, q, 1)
	q.Begin()
	wants := []string{
		"cq.Queue(next, open, pending 1, ready 1, waiting 0)",
		"cq.Queue(next, shut down, pending 1, ready 1, waiting 0)",
		"cq.Queue(next, finished, pending 0, ready 2, waiting 0)",
	}
	steps := []func(){func() {}, q.Shutdown, func() { q.Complete(cq.Completion{}) }}
	for i, step := range steps {
		step()
		if got := q.String(); got != wants[i] {
			t.Errorf("got %s, want %s", got, wants[i])
		}
	}
	kinds := []cq.Kind{0, cq.OpComplete, cq.Timeout, cq.Shutdown, cq.Misuse}
	for i, want := range []string{"Kind(0)", "OP_COMPLETE", "TIMEOUT", "SHUTDOWN", "MISUSE"} {
		if got := kinds[i].String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// What a loop begins for the event in hand is accepted: also for the last operation, for an alarm
// that Shutdown ends, and for what that leads to.
func TestEventsInHandKeepTheQueueOpen(t *testing.T) {
	for name, arm := range map[string]func(t *testing.T, q *cq.Queue){
		"last": func(t *testing.T, q *cq.Queue) { post(t, q, 1) },
		"alarm": func(t *testing.T, q *cq.Queue) {
			if err := new(cq.Alarm).Set(q, time.Now().Add(time.Hour), 1); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := cq.New()
			arm(t, q)
			q.Shutdown()
			other := make(chan cq.Event)
			var got []cq.Tag
			for ev := range q.Events(t.Context()) {
				got = append(got, ev.Tag)
				if len(got) == 3 {
					go func() { other <- q.Next(t.Context()) }()
					continue
				}
				if err := q.Post(len(got)+1, true); err != nil {
					t.Errorf("for event %d: %v", len(got), err)
				}
			}
			wantEvent(t, <-other, shutdown)
			if !slices.Equal(got, []cq.Tag{1, 2, 3}) {
				t.Errorf("events %v", got)
			}
			if err := q.Post(4, true); !errors.Is(err, cq.ErrShutdown) {
				t.Errorf("Post in the end: %v", err)
			}
		})
	}
}

// A body that panics, or a finalizer that swallows the event, leaves nothing in hand.
func TestAnEventInHandIsLetGo(t *testing.T) {
	q := cq.New()
	q.Begin()
	q.Complete(cq.Completion{Finalizer: finalize(func(*cq.Event) bool { return false })})
	post(t, q, 1)
	q.Shutdown()
	func() {
		defer func() { _ = recover() }()
		for range q.Events(t.Context()) {
			panic("of the body")
		}
	}()
	wantEvent(t, q.NextUntil(past), shutdown)
}

// Nor does a finalizer, which may be a codec of the user, that panics or ends the goroutine.
func TestAnEventThatIsNotFinalizedIsLetGo(t *testing.T) {
	for name, crash := range map[string]func(){"panic": func() { panic("of a codec") }, "exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			q := cq.New()
			q.Begin()
			q.Complete(cq.Completion{Finalizer: finalize(func(*cq.Event) bool { crash(); return true })})
			q.Shutdown()
			var polling sync.WaitGroup
			polling.Go(func() {
				defer func() { _ = recover() }()
				for ev := range q.Events(t.Context()) {
					t.Errorf("event %+v", ev)
				}
			})
			polling.Wait()
			wantEvent(t, q.NextUntil(past), shutdown)
		})
	}
}
