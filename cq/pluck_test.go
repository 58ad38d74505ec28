package cq_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

func TestPluckLeavesOthersQueued(t *testing.T) {
	q := cq.NewPluck()
	q.Begin()
	q.Complete(cq.Completion{Tag: "a"})
	post(t, q, "b", nil, "a", "c")
	wantEvent(t, q.Pluck(t.Context(), "b"), completed("b"))
	wantEvent(t, q.Pluck(t.Context(), "a"), cq.Event{Kind: cq.OpComplete, Tag: "a"})
	wantEvent(t, q.Pluck(t.Context(), "a"), completed("a"))
	wantEvent(t, q.Pluck(t.Context(), nil), completed(nil))
	q.Shutdown()
	wantEvent(t, q.Pluck(t.Context(), "b"), shutdown)
	wantEvent(t, q.Pluck(t.Context(), "c"), completed("c"))
	wantEvent(t, q.Pluck(t.Context(), "c"), shutdown)
}

func TestPluckWakesTheRightWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := cq.NewPluck()
		const pluckers = 20 // C-core stops at six
		got := make([]cq.Event, pluckers)
		for i := range pluckers {
			go func() { got[i] = q.Pluck(t.Context(), i/2) }()
		}
		synctest.Wait()
		for i := range pluckers / 2 {
			post(t, q, i)
			synctest.Wait() // one of the two has it, the other waits on
			if (got[2*i].Kind == cq.OpComplete) == (got[2*i+1].Kind == cq.OpComplete) {
				t.Errorf("tag %d: want one of %+v and %+v completed", i, got[2*i], got[2*i+1])
			}
			post(t, q, i)
			synctest.Wait()
			wantEvent(t, got[2*i], completed(i))
			wantEvent(t, got[2*i+1], completed(i))
		}
	})
}

func TestUncomparableTags(t *testing.T) {
	type deep struct{ v any }
	q := cq.NewPluck()
	post(t, q, []int{1}, deep{[]int{1}}, func() {}, deep{1})
	want := cq.Event{Kind: cq.Misuse, Err: cq.ErrUncomparableTag}
	for _, tag := range []cq.Tag{[]int{1}, deep{[]int{1}}, func() {}, map[string]int{}} {
		wantEvent(t, q.Pluck(t.Context(), tag), want)
	}
	wantEvent(t, q.Pluck(t.Context(), deep{1}), completed(deep{1}))

	synctest.Test(t, func(t *testing.T) { // nor may they hurt a blocked plucker
		q := cq.NewPluck()
		time.AfterFunc(time.Second, func() { post(t, q, deep{[]int{1}}, deep{2}) })
		wantEvent(t, q.Pluck(t.Context(), deep{2}), completed(deep{2}))
	})
}
