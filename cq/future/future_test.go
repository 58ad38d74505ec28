package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc/cq/future"
)

var errTest = errors.New("test")

// want wants a future to be resolved, and with this.
func want[T comparable](t *testing.T, why string, f *future.Future[T], v T, wantErr error) {
	t.Helper()
	got, err, ok := f.Poll()
	if !ok || got != v || !errors.Is(err, wantErr) {
		t.Errorf("%s: resolved %v with %v, %v; want %v, %v", why, ok, got, err, v, wantErr)
	}
}

func wantPending[T any](t *testing.T, why string, f *future.Future[T]) {
	t.Helper()
	if v, err, ok := f.Poll(); ok {
		t.Errorf("%s: resolved with %v, %v", why, v, err)
	}
}

func TestPromiseIsKeptOnce(t *testing.T) {
	var p future.Promise[int]
	f := p.Future()
	wantPending(t, "nobody has resolved it", f)
	if !p.Resolve(1) {
		t.Error("the first Resolve did nothing")
	}
	if p.Resolve(2) || p.Fail(errTest) || p.Settle(3, nil) {
		t.Error("it was resolved twice")
	}
	want(t, "the first counts", f, 1, nil)
	want(t, "polling again is fine", f, 1, nil)
	if p.Future() != f {
		t.Error("two futures of one promise")
	}
}

// The mistake is reported where it is made, not on a poller later.
func TestOnCompleteOfNothingPanics(t *testing.T) {
	for why, f := range map[string]*future.Future[int]{
		"pending": new(future.Promise[int]).Future(), "ready": future.Ready(1),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: OnComplete(nil) was taken", why)
				}
			}()
			f.OnComplete(nil)
		}()
	}
}

func TestReadyAndFailed(t *testing.T) {
	want(t, "ready", future.Ready("x"), "x", nil)
	want(t, "failed", future.Failed[string](errTest), "", errTest)
	if _, err, ok := future.Failed[string](nil).Poll(); !ok || err == nil {
		t.Error("failed without an error")
	}
	var p future.Promise[int]
	p.Fail(nil)
	if _, err, ok := p.Future().Poll(); !ok || err == nil {
		t.Error("failed without an error")
	}
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p future.Promise[int]
		got := make(chan error, 3)
		for range 3 {
			go func() {
				v, err := p.Future().Await(t.Context())
				got <- errors.Join(err, wantInt(v, 7))
			}()
		}
		synctest.Wait()
		p.Resolve(7)
		for range 3 {
			if err := <-got; err != nil {
				t.Error(err)
			}
		}
	})
}

func wantInt(got, want int) error {
	if got != want {
		return fmt.Errorf("got %d; want %d", got, want)
	}
	return nil
}

func TestAwaitUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p future.Promise[int]
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error)
		go func() {
			_, err := p.Future().Await(ctx)
			got <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-got; err != context.Canceled {
			t.Errorf("Await = %v", err)
		}
		p.Resolve(1)
		if v, err := p.Future().Await(ctx); v != 1 || err != nil {
			t.Errorf("a result that is there: %v, %v", v, err)
		}
	})
}

func TestDone(t *testing.T) {
	var p future.Promise[int]
	done := p.Future().Done()
	select {
	case <-done:
		t.Error("done before it is resolved")
	default:
	}
	p.Resolve(1)
	<-done
	<-p.Future().Done()
	<-future.Ready(1).Done()
}

// Done of a future that was resolved before anybody asked can be used in any
// bubble, whoever resolved it.
func TestDoneAcrossBubbles(t *testing.T) {
	f := future.Ready(1)
	for range 2 {
		synctest.Test(t, func(*testing.T) { <-f.Done() })
	}
}

func TestOnComplete(t *testing.T) {
	var p future.Promise[int]
	var got []string
	note := func(name string) func(int, error) {
		return func(v int, err error) { got = append(got, fmt.Sprint(name, v, err)) }
	}
	p.Future().OnComplete(note("a"))
	p.Future().OnComplete(note("b"))
	p.Settle(0, errTest)
	p.Future().OnComplete(note("c"))
	if fmt.Sprint(got) != "[a0 test b0 test c0 test]" {
		t.Errorf("got %v", got)
	}
}

// A function that panics takes nothing from the others.
func TestPanicInOnComplete(t *testing.T) {
	var p future.Promise[int]
	told := 0
	for i := range 4 {
		p.Future().OnComplete(func(int, error) {
			if told++; i%2 == 0 {
				panic(i)
			}
		})
	}
	func() {
		defer func() {
			if v := recover(); v != 2 {
				t.Errorf("recovered %v", v)
			}
		}()
		p.Resolve(1)
	}()
	if told != 4 {
		t.Errorf("%d of 4 were told", told)
	}
	want(t, "it is resolved all the same", p.Future(), 1, nil)
}

func TestMap(t *testing.T) {
	inc := func(x int) (int, error) { return x + 1, nil }
	want(t, "ok(1).map(+1)", future.Map(future.Ready(1), inc), 2, nil)
	want(t, "an error passes", future.Map(future.Failed[int](errTest), inc), 0, errTest)
	want(t, "an error is made", future.Map(future.Ready(1), func(int) (int, error) { return 5, errTest }), 0, errTest)
	var p future.Promise[int]
	f := future.Map(future.Map(p.Future(), inc), func(x int) (string, error) { return fmt.Sprint(x), nil })
	wantPending(t, "nothing to map", f)
	p.Resolve(1)
	want(t, "mapped twice", f, "2", nil)
}

func TestThen(t *testing.T) {
	var first, second future.Promise[int]
	f := future.Then(first.Future(), func(x int) *future.Future[int] {
		return future.Map(second.Future(), func(y int) (int, error) { return 10*x + y, nil })
	})
	wantPending(t, "the first step", f)
	first.Resolve(1)
	wantPending(t, "the second step", f)
	second.Resolve(2)
	want(t, "both", f, 12, nil)
	next := func(int) *future.Future[int] { return future.Failed[int](errTest) }
	want(t, "the second fails", future.Then(future.Ready(1), next), 0, errTest)
	want(t, "the first fails", future.Then(future.Failed[int](context.Canceled), next), 0, context.Canceled)
	want(t, "there is no second", future.Then(future.Ready(1), func(int) *future.Future[int] { return nil }), 0, future.ErrNone)
}

// A panic in a function of a chain is the error of what the chain gives.
func TestPanicInAChain(t *testing.T) {
	for name, f := range map[string]*future.Future[int]{
		"Map":  future.Map(future.Ready(1), func(int) (int, error) { panic(errTest) }),
		"Then": future.Then(future.Ready(1), func(int) *future.Future[int] { panic(errTest) }),
	} {
		want(t, name, f, 0, errTest)
		_, err, _ := f.Poll()
		p, ok := errors.AsType[*future.PanicError](err)
		if !ok || p.Value != errTest || len(p.Stack) == 0 || p.Error() != "future: panic: test" {
			t.Errorf("%s: %v", name, err)
		}
	}
	var p future.Promise[int]
	f := future.Map(p.Future(), func(int) (int, error) {
		runtime.Goexit()
		return 0, nil
	})
	var ended sync.WaitGroup
	ended.Go(func() { p.Resolve(1) })
	ended.Wait()
	if _, err, ok := f.Poll(); !ok || err == nil {
		t.Errorf("a function that ends its goroutine: %v, %v", ok, err)
	}
}

// All that race for one promise agree on who won, and everybody who waits is told.
func TestPromiseRace(t *testing.T) {
	for range 200 {
		var p future.Promise[int]
		var wins, told atomic.Int64
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if p.Resolve(i) {
					wins.Add(1)
				}
			})
			all.Go(func() {
				v, err := p.Future().Await(t.Context())
				p.Future().OnComplete(func(w int, _ error) {
					if w == v && err == nil {
						told.Add(1)
					}
				})
			})
		}
		all.Wait()
		if wins.Load() != 1 || told.Load() != 8 {
			t.Fatalf("%d wins, %d told", wins.Load(), told.Load())
		}
	}
}
