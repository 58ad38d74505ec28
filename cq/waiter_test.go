package cq_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

func wantWait(t *testing.T, w *cq.Waiter, ctx context.Context, want cq.Event) {
	t.Helper()
	ev, ok := w.Wait(ctx)
	wantEvent(t, ev, want)
	if ok != (want.Kind == cq.OpComplete) {
		t.Errorf("Wait reports %v for a %v event", ok, ev.Kind)
	}
}

func TestWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		timeout := cq.Event{Kind: cq.Timeout, Err: context.Canceled}
		var w cq.Waiter
		wantWait(t, &w, t.Context(), cq.Event{Kind: cq.Misuse, Err: cq.ErrNotBegun})
		for i := range 3 {
			if !w.Begin() || w.Begin() {
				t.Fatal("want one Begin to succeed")
			}
			wantWait(t, &w, ended, timeout)
			wantWait(t, &w, ended, timeout)
			if i != 1 { // the wait of 1 does not block
				go func() {
					time.Sleep(time.Second) // fake
					w.Complete(cq.Completion{Tag: i, OK: true})
				}()
				wantWait(t, &w, t.Context(), completed(i))
				continue
			}
			w.Complete(cq.Completion{Tag: i, OK: true})
			if w.Begin() {
				t.Error("Begin succeeds before the event was taken")
			}
			wantWait(t, &w, ended, completed(i))
		}
		wantWait(t, &w, ended, cq.Event{Kind: cq.Misuse, Err: cq.ErrNotBegun})
	})
}

func TestWaiterFinalizer(t *testing.T) {
	w := new(cq.Waiter)
	why := errors.New("because")
	w.Begin()
	w.Complete(cq.Completion{Tag: 1, OK: true, Finalizer: finalize(func(ev *cq.Event) bool {
		ev.OK, ev.Err = false, why
		return true
	})})
	wantWait(t, w, t.Context(), cq.Event{Kind: cq.OpComplete, Tag: 1, Err: why})

	w.Begin()
	w.Complete(cq.Completion{Finalizer: finalize(func(*cq.Event) bool {
		w.Begin()
		w.Complete(cq.Completion{Tag: 2, OK: true})
		return false
	})})
	wantWait(t, w, t.Context(), completed(2))

	w.Begin()
	w.Complete(cq.Completion{Finalizer: finalize(func(*cq.Event) bool { return false })})
	wantWait(t, w, t.Context(), cq.Event{Kind: cq.Misuse, Err: cq.ErrNotBegun})
}

func TestWaiterCompleteWithoutBeginPanics(t *testing.T) {
	var w cq.Waiter
	complete := func() { w.Complete(cq.Completion{}) }
	mustPanic(t, "BUG: cq.Waiter: Complete of an operation that is idle", complete)
	w.Begin()
	complete()
	mustPanic(t, "BUG: cq.Waiter: Complete of an operation that is ended", complete)
}

// TestWaiterRace: completion and cancellation at the same instant; whichever
// wins, the operation's event is returned exactly once.
func TestWaiterRace(t *testing.T) {
	var w cq.Waiter
	for i := range 2000 {
		ctx, cancel := context.WithCancel(context.Background())
		w.Begin()
		go cancel()
		go w.Complete(cq.Completion{Tag: i, OK: true})
		ev, ok := w.Wait(ctx)
		if !ok {
			wantEvent(t, ev, cq.Event{Kind: cq.Timeout, Err: context.Canceled})
			ev, _ = w.Wait(context.Background())
		}
		wantEvent(t, ev, completed(i))
		cancel()
	}
}
