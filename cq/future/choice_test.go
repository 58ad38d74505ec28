package future_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/cqrpc/cqrpc/cq/future"
)

// none is no futures.
var none []*future.Future[int]

func TestSelect(t *testing.T) {
	var a, b, c future.Promise[int]
	f := future.Select(a.Future(), b.Future(), c.Future())
	wantPending(t, "none is resolved", f)
	b.Resolve(2)
	s, err, ok := f.Poll()
	if !ok || err != nil || s.Index != 1 || s.Value != 2 || s.Err != nil {
		t.Fatalf("selected %+v, %v, %v", s, err, ok)
	}
	if !slices.Equal(s.Rest, []*future.Future[int]{a.Future(), c.Future()}) {
		t.Error("the rest is not a and c")
	}
	a.Resolve(1)
	want(t, "the rest can be awaited", s.Rest[0], 1, nil)
	wantPending(t, "the rest goes on", s.Rest[1])
}

func TestSelectOfResolved(t *testing.T) {
	f := future.Select(new(future.Promise[int]).Future(), future.Failed[int](errTest), future.Ready(3))
	s, err, ok := f.Poll()
	if !ok || err != nil || s.Index != 1 || s.Err != errTest || len(s.Rest) != 2 {
		t.Errorf("the first of the resolved, failed or not: %+v, %v, %v", s, err, ok)
	}
	if _, err, ok := future.Select(none...).Poll(); !ok || err != future.ErrNone {
		t.Errorf("none: %v, %v", err, ok)
	}
	want(t, "First", future.First(new(future.Promise[int]).Future(), future.Ready(3)), 3, nil)
	want(t, "First failed", future.First(future.Failed[int](errTest), future.Ready(3)), 0, errTest)
	want(t, "First of none", future.First(none...), 0, future.ErrNone)
}

// A future that is selected again and again, and loses, collects nothing.
func TestSelectLeavesTheLosersAlone(t *testing.T) {
	var long future.Promise[int]
	loop := func() {
		for range 1000 {
			var short future.Promise[int]
			f := future.Select(long.Future(), short.Future())
			short.Resolve(1)
			if s, _, ok := f.Poll(); !ok || s.Index != 1 {
				t.Fatal("not the short one")
			}
			future.Select(long.Future(), future.Ready(1))
		}
	}
	if n := testing.AllocsPerRun(1, loop); n > 30_000 {
		t.Errorf("%v allocations", n)
	}
	if n := future.Watchers(long.Future()); n != 0 {
		t.Errorf("%d functions wait for the long one", n)
	}
}

func TestJoin(t *testing.T) {
	var a, b future.Promise[int]
	f := future.Join(a.Future(), b.Future(), future.Ready(3))
	b.Resolve(2)
	wantPending(t, "one is missing", f)
	a.Resolve(1)
	if v, err, ok := f.Poll(); !ok || err != nil || !slices.Equal(v, []int{1, 2, 3}) {
		t.Errorf("joined %v, %v, %v", v, err, ok)
	}
	var c future.Promise[int]
	f = future.Join(c.Future(), future.Failed[int](errTest))
	if _, err, ok := f.Poll(); !ok || err != errTest {
		t.Errorf("an error comes at once: %v, %v", err, ok)
	}
	if v, err, ok := future.Join(none...).Poll(); !ok || err != nil || len(v) != 0 {
		t.Errorf("of none: %v, %v, %v", v, err, ok)
	}
}

func TestJoin2(t *testing.T) {
	var a future.Promise[int]
	var b future.Promise[string]
	f := future.Join2(a.Future(), b.Future())
	b.Resolve("x")
	wantPending(t, "one is missing", f)
	a.Resolve(1)
	want(t, "both", f, future.Pair[int, string]{First: 1, Second: "x"}, nil)
	want(t, "the first fails", future.Join2(future.Failed[int](errTest), b.Future()), future.Pair[int, string]{}, errTest)
	want(t, "the second fails", future.Join2(a.Future(), future.Failed[string](errTest)), future.Pair[int, string]{}, errTest)
}

// Select gives each future exactly once when it is applied to the rest, and Join
// gives all values in order, in whatever order and by however many goroutines
// they are resolved.
func TestSelectAndJoinInAnyOrder(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(8)
		promises := make([]future.Promise[int], n)
		fs := make([]*future.Future[int], n)
		for i := range fs {
			fs[i] = promises[i].Future()
		}
		order, early := r.Perm(n), r.IntN(n+1)
		for _, i := range order[:early] {
			promises[i].Resolve(i)
		}
		joined, selected := future.Join(fs...), future.Select(fs...)
		var resolving sync.WaitGroup
		for _, i := range order[early:] {
			resolving.Go(func() { promises[i].Resolve(i) })
		}
		var got []int
		for selected != nil {
			s, err := selected.Await(t.Context())
			if err != nil || fs[s.Value] == nil || s.Err != nil {
				t.Fatalf("seed %d: %+v, %v", seed, s, err)
			}
			got = append(got, s.Value)
			if selected = nil; len(s.Rest) > 0 {
				selected = future.Select(s.Rest...)
			}
		}
		resolving.Wait()
		slices.Sort(got)
		all, err := joined.Await(t.Context())
		if err != nil || !slices.Equal(all, got) || len(got) != n {
			t.Fatalf("seed %d: joined %v, selected %v, of %d", seed, all, got, n)
		}
		for i := range fs {
			if w := future.Watchers(fs[i]); w != 0 {
				t.Fatalf("seed %d: %d functions wait for a resolved future", seed, w)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	e := &future.OpenError{Calls: []string{"a", "a", "b"}}
	if one := (&future.OpenError{Calls: []string{"a"}}).Error(); one != "future: environment closed with 1 call in flight; a" {
		t.Error(one)
	}
	if e.Error() != "future: environment closed with 3 calls in flight; a; b" {
		t.Error(e)
	}
	e = new(future.OpenError)
	for i := range 20 {
		e.Calls = append(e.Calls, fmt.Sprint(i))
	}
	if e.Error() != "future: environment closed with 20 calls in flight; 0; 1; 2; 3; 4; 5; 6; 7; ..." {
		t.Error(e)
	}
	if errors.Unwrap(&future.PanicError{Value: 1}) != nil {
		t.Error("a value that is no error was unwrapped")
	}
	l := future.Leak{Method: "/m", Side: "client", End: "sink"}
	if l.String() != "client sink of /m was dropped without Close; its call is cancelled" {
		t.Error(l)
	}
}

// response is what embeds a future, as the response of a call.
type response struct {
	*future.Future[int]
}

// The combinators take what embeds a future as they take futures.
func TestCombinatorsOfResponses(t *testing.T) {
	one, two := &response{Future: future.Ready(1)}, &response{Future: future.Ready(2)}
	want(t, "Map", future.Map(one, func(x int) (string, error) { return fmt.Sprint(x), nil }), "1", nil)
	want(t, "Then", future.Then(one, func(int) *response { return two }), 2, nil)
	want(t, "First", future.First(one, two), 1, nil)
	want(t, "Join2", future.Join2(one, future.Ready("x")), future.Pair[int, string]{First: 1, Second: "x"}, nil)
	if v, err, ok := future.Join(one, two).Poll(); !ok || err != nil || fmt.Sprint(v) != "[1 2]" {
		t.Errorf("Join: %v, %v, %v", v, err, ok)
	}
	s, _, ok := future.Select([]*response{one, two}...).Poll()
	if !ok || s.Value != 1 || len(s.Rest) != 1 || s.Rest[0] != two.Future {
		t.Errorf("Select: %+v, %v", s, ok)
	}
}

func TestValues(t *testing.T) {
	next := future.Values([]int{1, 2})
	for _, want := range []int{1, 2, 0, 0} {
		if v, ok := next(); v != want || ok != (want != 0) {
			t.Errorf("%d, %v; want %d", v, ok, want)
		}
	}
}
