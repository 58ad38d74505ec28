package cq_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc/cq"
)

// recorder is a Completer, and an Executor, that remembers what it was given.
type recorder struct {
	tags  []cq.Tag
	sizes []int
}

func (r *recorder) Begin() bool              { return true }
func (r *recorder) Complete(c cq.Completion) { r.tags = append(r.tags, c.Tag) }

func (r *recorder) Execute(batch []cq.Task) {
	r.sizes = append(r.sizes, len(batch))
	cq.Inline().Execute(batch)
}

func TestLaneGroupsByQueue(t *testing.T) {
	var exec, other recorder
	next, callback := cq.New(), cq.NewCallback(&exec, nil)
	w := new(cq.Waiter)
	w.Begin()
	var lane cq.Lane
	var ran []bool
	for i := range 6 {
		next.Begin()
		callback.Begin()
		lane.Add(next, cq.Completion{Tag: i, OK: true})
		lane.Add(&other, cq.Completion{Tag: i})
		lane.Add(callback, cq.Completion{OK: i%2 == 0, Tag: func(ev cq.Event) { ran = append(ran, ev.OK) }})
	}
	lane.Add(w, cq.Completion{Tag: "w", OK: true})
	if lane.Empty() || next.Ready() != 0 {
		t.Error("the lane delivered before Flush")
	}
	lane.Flush()
	if !lane.Empty() {
		t.Error("the lane is not empty after Flush")
	}
	for i := range 6 {
		wantEvent(t, next.NextUntil(past), completed(i))
	}
	wantWait(t, w, t.Context(), completed("w"))
	if !slices.Equal(exec.sizes, []int{6}) {
		t.Errorf("the executor got batches of %v, want one of 6", exec.sizes)
	}
	if want := []bool{true, false, true, false, true, false}; !slices.Equal(ran, want) {
		t.Errorf("callbacks saw OK %v, want %v", ran, want)
	}
	if got := fmt.Sprint(other.tags); got != "[0 1 2 3 4 5]" {
		t.Errorf("the other completer got %v", got)
	}
}

func TestLaneDeliversWhatCallbacksAdd(t *testing.T) {
	q, next := newInline(), cq.New()
	var lane cq.Lane
	depth := 0
	var again func(cq.Event)
	again = func(cq.Event) {
		next.Begin()
		lane.Add(next, cq.Completion{Tag: depth, OK: true})
		if depth++; depth < 5 {
			q.Begin()
			lane.Add(q, cq.Completion{Tag: again})
		}
		lane.Flush() // must leave it to the outer one
		if next.Ready() >= depth {
			t.Error("a nested Flush delivered")
		}
	}
	q.Begin()
	lane.Add(q, cq.Completion{Tag: again})
	lane.Flush()
	if depth != 5 || !lane.Empty() {
		t.Errorf("depth %d, empty %v; want 5, true", depth, lane.Empty())
	}
	for i := range 5 {
		wantEvent(t, next.NextUntil(past), completed(i))
	}
}

// TestLaneWakesOncePerFlush: 40 events for one blocked NextN are one wake.
func TestLaneWakesOncePerFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := cq.New()
		var dst [40]cq.Event
		n := 0
		go func() { n, _ = q.NextN(t.Context(), dst[:]) }()
		synctest.Wait()
		var lane cq.Lane
		for i := range 32 {
			q.Begin()
			lane.Add(q, cq.Completion{Tag: i, OK: true})
		}
		lane.Flush()
		synctest.Wait()
		if n != 32 {
			t.Errorf("one NextN took %d events, want all 32", n)
		}
	})
}
