package future_test

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/station"
)

func TestEnvironmentHasOnePollerPerQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := leak.InBubble()
		var started, stopped atomic.Int64
		env := future.NewEnvironment(3, future.WithName("test"),
			future.WithAfterStart(func(queue int) { started.Add(1 << (8 * queue)) }),
			future.WithBeforeStop(func(queue int) { stopped.Add(1 << (8 * queue)) }))
		synctest.Wait()
		if n := leak.InBubble() - before; n != 3 || started.Load() != 0x010101 {
			t.Errorf("%d goroutines, started %x", n, started.Load())
		}
		var picked []*cq.Queue
		for range 6 {
			picked = append(picked, env.Pick())
		}
		if !slices.Equal(picked[:3], picked[3:]) || picked[0] == picked[1] || picked[1] == picked[2] || picked[0] == picked[2] {
			t.Error("Pick is not round robin")
		}
		if s := env.String(); s != "future.Environment(test, 3 queues, 0 calls in flight)" {
			t.Error(s)
		}
		if err := env.Close(); err != nil || stopped.Load() != 0x010101 {
			t.Errorf("Close = %v, stopped %x", err, stopped.Load())
		}
		if err := env.Close(); err != nil {
			t.Errorf("Close again = %v", err)
		}
		if err := env.Spawn(func() { t.Error("it runs") }); !errors.Is(err, cq.ErrShutdown) {
			t.Errorf("Spawn = %v", err)
		}
	})
	env := future.NewEnvironment(0)
	queues := "1 queue"
	if n := runtime.GOMAXPROCS(0); n > 1 {
		queues = fmt.Sprint(n, " queues")
	}
	if s := env.String(); s != "future.Environment(future, "+queues+", 0 calls in flight)" {
		t.Error(s)
	}
	if err := env.Close(); err != nil {
		t.Error(err)
	}
}

// What runs on one queue runs alone and in order; what was spawned before Close
// runs before it returns.
func TestSpawnRunsInOrder(t *testing.T) {
	env := future.NewEnvironment(1)
	var got []int // the poller's
	var running atomic.Int64
	for i := range 100 {
		err := env.Spawn(func() {
			if running.Add(1) != 1 {
				t.Error("two at once")
			}
			got = append(got, i)
			running.Add(-1)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := env.Close(); err != nil {
		t.Error(err)
	}
	if len(got) != 100 || !slices.IsSorted(got) {
		t.Errorf("ran %v", got)
	}
}

// A queue has a poller even if the function that runs before it ends its goroutine.
func TestPollerOutlivesAfterStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := 0
		env := future.NewEnvironment(1,
			future.WithAfterStart(func(int) { runtime.Goexit() }),
			future.WithBeforeStop(func(int) { stopped++ }))
		rest := env.After(time.Second)
		if err := env.Close(); err != nil {
			t.Error(err)
		}
		if _, _, ok := rest.Poll(); !ok || stopped != 1 {
			t.Errorf("Close returned with a future resolved %v, pollers stopped: %d", ok, stopped)
		}
	})
}

// A function that panics, or ends its goroutine, does not take the poller along.
func TestPollerSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var panics []any
		env := future.NewEnvironment(1, future.WithPanicHandler(func(v any, stack []byte) {
			if len(stack) == 0 {
				t.Error("no stack")
			}
			panics = append(panics, v)
		}))
		q := env.Pick()
		ran := 0
		for _, f := range []func(){
			func() { panic("one") }, func() { runtime.Goexit() }, func() { ran++ },
		} {
			if err := env.Spawn(f); err != nil {
				t.Fatal(err)
			}
		}
		for _, tag := range []cq.Tag{"no tag to run", func(ev cq.Event) { ran++ }} {
			if err := q.Post(tag, true); err != nil {
				t.Fatal(err)
			}
		}
		var p future.Promise[int]
		p.Future().OnComplete(func(int, error) { panic("two") })
		if err := env.Spawn(func() { p.Resolve(1) }); err != nil {
			t.Fatal(err)
		}
		if err := env.Close(); err != nil {
			t.Error(err)
		}
		want := "[one future: tag of type string is neither a cq.Callback nor a func(cq.Event) two]"
		if ran != 2 || fmt.Sprint(panics) != want {
			t.Errorf("ran %d, panics %v", ran, panics)
		}
	})
}

// tenant is a call as a station sees it.
type tenant struct {
	station.Stay
	name    string
	evicted atomic.Int64
	leave   func()
}

func (t *tenant) Left() string { return t.name }

func (t *tenant) Evict() {
	t.evicted.Add(1)
	if t.leave != nil {
		t.leave()
	}
}

func TestTenants(t *testing.T) {
	env := future.NewEnvironment(1)
	s := env.Station()
	tenants := make([]tenant, 6)
	for i := range tenants {
		y := &tenants[i]
		y.name = fmt.Sprint(i)
		if !s.Enter(&y.Stay, y) {
			t.Fatal("not let in")
		}
	}
	for _, i := range []int{5, 0, 2, 2} { // the first, the last, one between, twice
		s.Leave(&tenants[i].Stay)
	}
	tenants[3].name = "" // over, its events under way
	tenants[4].leave = func() { s.Leave(&tenants[4].Stay) }
	if env.String() != "future.Environment(future, 1 queue, 3 calls in flight)" {
		t.Error(env)
	}
	err := env.Close()
	open, ok := errors.AsType[*future.OpenError](err)
	if !ok || fmt.Sprint(open.Calls) != "[1 4]" {
		t.Errorf("Close = %v", err)
	}
	for i, n := range []int64{0, 1, 0, 1, 1, 0} {
		if got := tenants[i].evicted.Load(); got != n {
			t.Errorf("tenant %d was evicted %d times; want %d", i, got, n)
		}
	}
	var late tenant
	if s.Enter(&late.Stay, &late) {
		t.Error("let in after Close")
	}
	s.Leave(&tenants[1].Stay)
	s.Leave(&late.Stay)
}

// Tenants come and go, and are evicted, concurrently.
func TestTenantsRace(t *testing.T) {
	env := future.NewEnvironment(2)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				s, y := env.Station(), new(tenant)
				if !s.Enter(&y.Stay, y) {
					return
				}
				runtime.Gosched()
				s.Leave(&y.Stay)
			}
		})
	}
	all.Go(func() {
		for range 100 {
			runtime.Gosched()
		}
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
	all.Wait()
	if env.String() != "future.Environment(future, 2 queues, 0 calls in flight)" {
		t.Error(env)
	}
}

// abandoned is what a handle stands for.
type abandoned struct{ isOpen bool }

func (a *abandoned) Abandon() (station.Leak, bool) { return station.Leak{Method: "/m"}, a.isOpen }

type handle struct{ *abandoned }

func TestGuard(t *testing.T) {
	leaks := make(chan future.Leak, 10)
	env := future.NewEnvironment(1, future.WithLeakHandler(func(l future.Leak) { leaks <- l }))
	s := env.Station()
	for _, isOpen := range []bool{false, true} {
		a := &abandoned{isOpen}
		station.Guard(s, &handle{a}, a)
	}
	for len(leaks) == 0 {
		runtime.GC()
		runtime.Gosched()
	}
	if l := <-leaks; l.Method != "/m" {
		t.Error(l)
	}
	if err := env.Close(); err != nil {
		t.Error(err)
	}
	env = future.NewEnvironment(1)
	station.Guard(env.Station(), new(handle), nil)
	if err := env.Close(); err != nil {
		t.Error(err)
	}
}

// After is an alarm: it comes on a poller when the time has, and at the latest
// with the end of the environment.
func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := future.NewEnvironment(2)
		begin := time.Now()
		f := env.After(time.Hour)
		wantPending(t, "an hour", f)
		if _, err := f.Await(t.Context()); err != nil || time.Since(begin) != time.Hour {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		if _, err := env.After(0).Await(t.Context()); err != nil || time.Since(begin) != time.Hour {
			t.Errorf("no time at all: %v, after %v", err, time.Since(begin))
		}
		at := new(future.Promise[string])
		env.After(time.Nanosecond).OnComplete(func(struct{}, error) { at.Resolve(string(debug.Stack())) })
		if stack, err := at.Future().Await(t.Context()); err != nil || !strings.Contains(stack, ").poll(") {
			t.Errorf("an instant: %v, %s", err, stack)
		}
		f = env.After(time.Hour)
		if err := env.Close(); err != nil {
			t.Error(err)
		}
		want(t, "closed", f, struct{}{}, cq.ErrShutdown)
		want(t, "too late", env.After(0), struct{}{}, cq.ErrShutdown)
	})
}
