package cq

import (
	"context"
	"testing"
)

// These tests stand where two goroutines meet within nanoseconds, which no
// schedule from outside can be made to hit.

// park blocks a poller of q as Next would, without a goroutine.
func park(q *Queue) *poller {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.parkLocked(nil, anyTag)
}

func settle(q *Queue, w *poller, expired bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settleLocked(w, expired)
}

func TestAPollerThatGivesUpWhenWokenLeavesNoToken(t *testing.T) {
	q := New()
	w := park(q)
	if err := q.Post(1, true); err != nil {
		t.Fatal(err)
	}
	if len(w.wake) != 1 || q.Awake() != 1 {
		t.Fatalf("%d tokens, %d awake; want the poller woken", len(w.wake), q.Awake())
	}
	settle(q, w, true)
	if len(w.wake) != 0 || q.Awake() != 0 {
		t.Errorf("%d tokens, %d awake; want none: the next wake would block", len(w.wake), q.Awake())
	}
}

func TestAPollerOnItsWayServesTheNextEvent(t *testing.T) {
	q := New()
	first, second := park(q), park(q)
	for range 3 { // each time another harvester is quicker than the one woken
		if err := q.Post(1, true); err != nil {
			t.Fatal(err)
		}
		q.Next(context.Background())
	}
	if len(first.wake)+len(second.wake) != 1 {
		t.Errorf("%d pollers woken for one event at a time, want 1", len(first.wake)+len(second.wake))
	}
	if err := q.Post(1, true); err != nil {
		t.Fatal(err)
	}
	if err := q.Post(2, true); err != nil {
		t.Fatal(err)
	}
	if len(first.wake)+len(second.wake) != 2 {
		t.Error("the second event waits although a poller is parked")
	}
}

// meddler is a context that completes the operation, and is then over, exactly
// when the Waiter has decided to block.
type meddler struct {
	context.Context
	w *Waiter
}

func (m meddler) Done() <-chan struct{} {
	m.w.Complete(Completion{OK: true})
	over := make(chan struct{})
	close(over)
	return over
}

func TestAWaiterThatGivesUpWhenWokenLeavesNoToken(t *testing.T) {
	w := new(Waiter)
	for range 50 { // select picks either case
		w.Begin()
		if ev, ok := w.Wait(meddler{t.Context(), w}); !ok || !ev.OK {
			t.Fatalf("got %+v, %v; want the completion", ev, ok)
		}
		if len(w.wake) != 0 {
			t.Fatal("a token is left for the next wait")
		}
	}
}

func TestAWaiterDoesNotBlockOnWhatHasJustEnded(t *testing.T) {
	w := new(Waiter)
	w.Begin()
	w.Complete(Completion{})
	if !w.park(t.Context()) || waiterState(w.state.Load()) != waiterEnded {
		t.Errorf("park left the operation %v", waiterState(w.state.Load()))
	}
}
