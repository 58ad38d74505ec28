package cq_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc/cq"
)

// runner is a tag of the Callback kind.
type runner struct{ ran []cq.Event }

func (r *runner) Run(ev cq.Event) { r.ran = append(r.ran, ev) }

func TestCallbackTags(t *testing.T) {
	q := newInline()
	r := new(runner)
	post(t, q, r)
	if len(r.ran) != 1 || r.ran[0] != completed(r) {
		t.Errorf("the Callback got %+v", r.ran)
	}
	calls := 0
	q.Begin()
	q.Complete(cq.Completion{Tag: func(ev cq.Event) {
		calls++
		if ev.OK || ev.Kind != cq.OpComplete {
			t.Errorf("the func got %+v", ev)
		}
	}})
	if calls != 1 {
		t.Errorf("the func was called %d times", calls)
	}
	mustPanic(t, "cq: tag of type int on a callback queue is neither a cq.Callback nor a func(cq.Event)",
		func() { _ = q.Post(1, true) })
}

func TestCallbackFinalizer(t *testing.T) {
	q := newInline()
	var ran runner
	for _, f := range []finalize{
		func(*cq.Event) bool { return false },
		func(ev *cq.Event) bool { ev.Tag = &ran; return true },
	} {
		q.Begin()
		q.Complete(cq.Completion{OK: true, Finalizer: f})
	}
	if len(ran.ran) != 1 {
		t.Errorf("ran %d callbacks, want only the one not swallowed", len(ran.ran))
	}
	wantErr(t, q.Close(t.Context()), nil)
}

// TestCallbackNeverRunsOnTheCallersStack: a callback that needs a lock the
// caller holds would otherwise deadlock.
func TestCallbackNeverRunsOnTheCallersStack(t *testing.T) {
	q := cq.NewCallback(nil, nil)
	var mu sync.Mutex
	ran := 0
	mu.Lock()
	for range 100 {
		post(t, q, func(cq.Event) {
			mu.Lock()
			ran++
			mu.Unlock()
		})
	}
	q.Shutdown()
	mu.Unlock()
	wantErr(t, q.Close(t.Context()), nil)
	if ran != 100 {
		t.Errorf("ran %d callbacks, want 100", ran)
	}
}

func TestShutdownFunctionRunsOnceAndLast(t *testing.T) {
	for name, exec := range map[string]cq.Executor{
		"inline": cq.Inline(), "one worker": cq.NewPool(1), "four workers": cq.NewPool(4), "own": nil,
	} {
		t.Run(name, func(t *testing.T) {
			for range 50 {
				checkShutdownFunction(t, exec)
			}
		})
	}
}

func checkShutdownFunction(t *testing.T, exec cq.Executor) {
	t.Helper()
	var accepted, ran, ranBefore, down atomic.Int64
	q := cq.NewCallback(exec, func() {
		ranBefore.Store(ran.Load())
		down.Add(1)
	})
	var posting sync.WaitGroup
	for range 4 {
		posting.Go(func() {
			for range 20 {
				if q.Post(func(cq.Event) { ran.Add(1) }, true) == nil {
					accepted.Add(1)
				}
			}
		})
	}
	posting.Go(q.Shutdown)
	posting.Wait()
	wantErr(t, q.Close(context.Background()), nil)
	wantErr(t, q.Close(context.Background()), nil)
	if down.Load() != 1 {
		t.Errorf("the shutdown function ran %d times", down.Load())
	}
	if ranBefore.Load() != accepted.Load() || ran.Load() != accepted.Load() {
		t.Errorf("%d callbacks accepted, %d ran, %d of them before the shutdown function",
			accepted.Load(), ran.Load(), ranBefore.Load())
	}
}

func TestShutdownOfAnIdleCallbackQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := 0
		q := cq.NewCallback(nil, func() { down++ })
		q.Shutdown()
		q.Shutdown()
		synctest.Wait()
		if down != 1 || q.Begin() {
			t.Errorf("the shutdown function ran %d times, Begin is %v", down, q.Begin())
		}
	})
}

func TestOneWorkerRunsInOrder(t *testing.T) {
	p := cq.NewPool(1)
	q := cq.NewCallback(p, nil)
	var got, want []int
	for i := range 1000 {
		want = append(want, i)
		post(t, q, func(cq.Event) { got = append(got, i) })
	}
	p.Close()
	if !slices.Equal(got, want) {
		t.Errorf("ran in the order %v", got)
	}
	post(t, q, func(cq.Event) { got = nil }) // a closed pool still runs what it is given
	p.Close()
	if got != nil {
		t.Error("a task given after Close was not run")
	}
}

// TestPoolSize: never more workers than asked for, none of them stuck behind
// a blocked one while another is free, and none left when idle.
func TestPoolSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := cq.NewPool(3)
		q := cq.NewCallback(p, nil)
		release := make(chan struct{})
		var blocked, ran atomic.Int32
		var lane cq.Lane
		add := func(f func(cq.Event)) {
			q.Begin()
			lane.Add(q, cq.Completion{Tag: f})
		}
		block := func(cq.Event) { blocked.Add(1); <-release }
		add(block)
		add(block)
		for range 20 {
			add(func(cq.Event) { ran.Add(1) })
		}
		add(block)
		add(block)
		lane.Flush()
		synctest.Wait()
		if blocked.Load() != 3 || ran.Load() != 20 {
			t.Errorf("%d blocked, %d ran; want 3 workers blocked and all 20 run", blocked.Load(), ran.Load())
		}
		close(release)
		p.Close()
		if blocked.Load() != 4 {
			t.Errorf("%d callbacks blocked in all, want 4", blocked.Load())
		}
	})
}

func TestACallbackMayEndItsGoroutine(t *testing.T) {
	q := cq.NewCallback(cq.NewPool(1), nil)
	ran := false
	post(t, q, func(cq.Event) { runtime.Goexit() }, func(cq.Event) { ran = true })
	wantErr(t, q.Close(t.Context()), nil)
	if !ran {
		t.Error("the callback after it did not run")
	}
}
