package cq_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

// item is the n-th event of a producer.
type item struct{ producer, n int }

// record counts how often each item was harvested, by whom in what order.
type record struct {
	t    *testing.T
	seen [][]atomic.Int32
}

func newRecord(t *testing.T, producers, each int) *record {
	r := &record{t: t, seen: make([][]atomic.Int32, producers)}
	for i := range r.seen {
		r.seen[i] = make([]atomic.Int32, each)
	}
	return r
}

// consumer returns a function that records what one consumer harvests: items
// of one producer must come in order.
func (r *record) consumer() func(cq.Event) {
	last := make(map[int]int)
	return func(ev cq.Event) {
		it := ev.Tag.(item)
		if n, ok := last[it.producer]; ok && n >= it.n {
			r.t.Errorf("producer %d: item %d after %d", it.producer, it.n, n)
		}
		last[it.producer] = it.n
		r.seen[it.producer][it.n].Add(1)
	}
}

func (r *record) check() {
	r.t.Helper()
	for p := range r.seen {
		for n := range r.seen[p] {
			if k := r.seen[p][n].Load(); k != 1 {
				r.t.Errorf("item %d of producer %d was harvested %d times", n, p, k)
			}
		}
	}
}

// consume harvests until the queue is drained, in one of four ways.
func consume(q *cq.Queue, how int, f func(cq.Event)) {
	ctx := context.Background()
	switch how % 4 {
	case 0:
		for ev := range q.Events(ctx) {
			f(ev)
		}
	case 3:
		for ev := range q.EventsN(ctx, 5) {
			f(ev)
		}
	case 1:
		var dst [7]cq.Event
		for n, kind := q.NextN(ctx, dst[:]); kind != cq.Shutdown; n, kind = q.NextN(ctx, dst[:]) {
			for _, ev := range dst[:n] {
				f(ev)
			}
		}
	case 2: // impatient: gives up all the time
		for {
			switch ev := q.NextUntil(time.Now().Add(10 * time.Microsecond)); ev.Kind {
			case cq.OpComplete:
				f(ev)
			case cq.Shutdown:
				return
			}
		}
	}
}

func TestProducersAndConsumers(t *testing.T) {
	const each = 500
	for _, producers := range []int{1, 10} {
		for _, consumers := range []int{1, 10} {
			t.Run(fmt.Sprintf("%dx%d", producers, consumers), func(t *testing.T) {
				q, r := cq.New(), newRecord(t, producers, each)
				var producing, consuming sync.WaitGroup
				for i := range consumers {
					consuming.Go(func() { consume(q, i, r.consumer()) })
				}
				for p := range producers {
					producing.Go(func() { produce(q, p, each) })
				}
				producing.Wait()
				q.Shutdown()
				consuming.Wait()
				r.check()
			})
		}
	}
}

// produce ends each operations on q: one by one, or in batches through a lane.
func produce(q *cq.Queue, producer, each int) {
	var lane cq.Lane
	for n := range each {
		q.Begin()
		c := cq.Completion{Tag: item{producer, n}, OK: true}
		if producer%2 == 0 {
			q.Complete(c)
			continue
		}
		lane.Add(q, c)
		if n%5 == 0 {
			lane.Flush()
		}
	}
	lane.Flush()
}

func TestProducersAndPluckers(t *testing.T) {
	const producers, each = 10, 200
	q, r := cq.NewPluck(), newRecord(t, producers, each)
	var all sync.WaitGroup
	for p := range producers {
		all.Go(func() { produce(q, p, each) })
		all.Go(func() {
			f := r.consumer()
			for n := range each {
				f(q.Pluck(context.Background(), item{p, n}))
			}
		})
	}
	all.Wait()
	r.check()
	wantErr(t, q.Close(t.Context()), nil)
}

// TestShutdownRace: what was begun before, during or after Shutdown is
// harvested exactly once, and nothing after the Shutdown event.
func TestShutdownRace(t *testing.T) {
	for range 2000 {
		q := cq.New()
		var accepted, harvested atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for q.Post(tag, true) == nil {
					accepted.Add(1)
					runtime.Gosched() // or it goes on for its whole turn before Shutdown has one
				}
			})
			all.Go(func() {
				for range q.Events(context.Background()) {
					harvested.Add(1)
				}
				wantEvent(t, q.NextUntil(past), shutdown)
			})
		}
		q.Shutdown()
		all.Wait()
		if accepted.Load() != harvested.Load() {
			t.Fatalf("accepted %d events, harvested %d", accepted.Load(), harvested.Load())
		}
	}
}

// TestWakeIsHandedOn: a poller may give up at the instant it is woken; the
// event must then go to it or to the other poller. A lost wake is a deadlock,
// which the bubble reports.
func TestWakeIsHandedOn(t *testing.T) {
	for round := range 500 {
		synctest.Test(t, func(t *testing.T) {
			q := cq.New()
			now := time.Now().Add(time.Second)
			ctx, cancel := context.WithDeadline(t.Context(), now)
			defer cancel()
			var harvested atomic.Int32
			var all sync.WaitGroup
			count := func(ev cq.Event) {
				if ev.Kind == cq.OpComplete {
					harvested.Add(1)
				}
			}
			all.Go(func() { count(q.Next(ctx)) })
			all.Go(func() { count(q.NextUntil(now)) })
			all.Go(func() { count(q.Next(context.Background())) })
			all.Go(func() {
				time.Sleep(time.Until(now))
				post(t, q, tag)
				if round%2 == 0 {
					post(t, q, tag)
				}
			})
			synctest.Wait()
			time.Sleep(2 * time.Second) // fake
			if n := harvested.Load(); n < 1 {
				t.Errorf("no event harvested: %v", q)
			}
			q.Shutdown()
			all.Wait()
			if left := q.Ready(); int(harvested.Load())+left != 2-round%2 {
				t.Errorf("harvested %d, left %d", harvested.Load(), left)
			}
		})
	}
}

func TestOneEventWakesOnePoller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := cq.New()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { q.Next(context.Background()) })
		}
		synctest.Wait()
		for left := 8; left > 0; left-- {
			if parked, _ := q.Pollers(); parked != left {
				t.Errorf("%d pollers blocked, want %d", parked, left)
			}
			post(t, q, tag)
			if n := q.Awake(); n > 1 {
				t.Errorf("one event woke %d pollers", n)
			}
			synctest.Wait()
		}
		all.Wait()
		if parked, free := q.Pollers(); parked != 0 || free != 8 || q.Awake() != 0 {
			t.Errorf("%d parked, %d free, %d awake; want 0, 8, 0", parked, free, q.Awake())
		}
	})
}

func TestPoll(t *testing.T) {
	queues := []*cq.Queue{cq.New(), cq.New(), cq.New()}
	var steps, ok atomic.Int32
	wait := cq.Poll(queues, 2, cq.Proceed)
	for i := range 30 {
		if err := queues[i%3].Post(step(func(good bool) {
			steps.Add(1)
			if good {
				ok.Add(1)
			}
		}), i%2 == 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range queues {
		q.Shutdown()
	}
	wait()
	if steps.Load() != 30 || ok.Load() != 15 {
		t.Errorf("%d steps, %d ok; want 30, 15", steps.Load(), ok.Load())
	}
	mustPanic(t, "cq: OP_COMPLETE event with a tag of type int, which is no Proceeder, Callback or func(Event)",
		func() { cq.Proceed(completed(1)) })
}

// The tags of callback queues can be those of others, too.
func TestProceedRunsCallbacks(t *testing.T) {
	var got []cq.Event
	note := func(ev cq.Event) { got = append(got, ev) }
	for _, tag := range []cq.Tag{note, noting(note)} {
		cq.Proceed(cq.Event{Kind: cq.OpComplete, Tag: tag, Err: cq.ErrShutdown})
	}
	if len(got) != 2 || got[0].Err != cq.ErrShutdown || got[1].Err != cq.ErrShutdown {
		t.Errorf("events %v; want two with the error", got)
	}
}

type noting func(cq.Event)

func (f noting) Run(ev cq.Event) { f(ev) }

type step func(bool)

func (s step) Proceed(ok bool) { s(ok) }
