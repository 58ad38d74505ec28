package cq_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

// spring is a Source whose Serve only waits until it is recalled.
type spring struct {
	called chan struct{} // capacity 1: a recall is not forgotten

	during func() bool   // runs instead of the wait; false: the source is not the poller's any more
	busy   chan struct{} // if not nil, Serve ends no sooner than this is closed

	serves, recalls, serving, tends atomic.Int32
}

func newSpring() *spring { return &spring{called: make(chan struct{}, 1)} }

func (s *spring) Serve(cq.Host, *atomic.Bool) bool {
	s.serves.Add(1)
	s.serving.Add(1)
	defer s.serving.Add(-1)
	if s.during != nil {
		return s.during()
	}
	<-s.called
	if s.busy != nil {
		<-s.busy
	}
	return true
}

func (s *spring) Tend() { s.tends.Add(1) }

func (s *spring) Nudge() {
	s.recalls.Add(1)
	select {
	case s.called <- struct{}{}:
	default:
	}
}

// want checks, once nothing moves, how often the source was served and recalled.
func (s *spring) want(t *testing.T, when string, serves, recalls int32) {
	t.Helper()
	synctest.Wait()
	if gotServes, gotRecalls := s.serves.Load(), s.recalls.Load(); gotServes != serves || gotRecalls != recalls {
		t.Errorf("%s: served %d times and recalled %d; want %d, %d", when, gotServes, gotRecalls, serves, recalls)
	}
}

// offer offers s or fails the test.
func offer(t *testing.T, q *cq.Queue, s cq.Source) {
	t.Helper()
	if !q.Offer(s) {
		t.Fatal("the offer is refused")
	}
}

// wantParked checks, once nothing moves, how many pollers are blocked in the queue.
func wantParked(t *testing.T, q *cq.Queue, when string, want int) {
	t.Helper()
	synctest.Wait()
	if parked, _ := q.Pollers(); parked != want {
		t.Errorf("%s: %d pollers are parked; want %d", when, parked, want)
	}
}

// harvests are the methods that take an event and wait for one.
var harvests = map[string]func(q *cq.Queue, ctx context.Context) cq.Event{
	"Next": func(q *cq.Queue, ctx context.Context) cq.Event { return q.Next(ctx) },
	"NextUntil": func(q *cq.Queue, ctx context.Context) cq.Event {
		deadline, _ := ctx.Deadline() // the zero time is none
		return q.NextUntil(deadline)
	},
	"NextN": func(q *cq.Queue, ctx context.Context) cq.Event {
		var dst [1]cq.Event
		if _, kind := q.NextN(ctx, dst[:]); kind != cq.OpComplete {
			return cq.Event{Kind: kind, Err: ctx.Err()}
		}
		return dst[0]
	},
}

// inEachHarvest runs f in a bubble for each of these methods, with a queue that has a source.
func inEachHarvest(t *testing.T, f func(t *testing.T, s *spring, q *cq.Queue, next harvest)) {
	t.Helper()
	for name, next := range harvests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, q := newSpring(), cq.New()
				offer(t, q, s)
				f(t, s, q, func(ctx context.Context) cq.Event { return next(q, ctx) })
			})
		})
	}
}

type harvest func(ctx context.Context) cq.Event

// start harvests one event on a goroutine.
func (h harvest) start(ctx context.Context) <-chan cq.Event {
	got := make(chan cq.Event, 1)
	go func() { got <- h(ctx) }()
	return got
}

// A poller that finds nothing serves the source instead of parking. It is recalled once per
// service, however much comes, and not for what it finds itself.
func TestAPollerServes(t *testing.T) {
	inEachHarvest(t, func(t *testing.T, s *spring, q *cq.Queue, next harvest) {
		for i := range int32(3) {
			got := next.start(context.Background())
			s.want(t, "nothing to harvest", i+1, i)
			wantParked(t, q, "nothing to harvest", 0)
			s.busy = make(chan struct{})
			post(t, q, 1)
			s.want(t, "an event", i+1, i+1)
			post(t, q, 2, 3)
			s.want(t, "more events", i+1, i+1)
			close(s.busy)
			wantEvent(t, <-got, completed(1))
			wantEvent(t, next(t.Context()), completed(2))
			wantEvent(t, next(t.Context()), completed(3))
			s.want(t, "all harvested", i+1, i+1)
		}
		q.Shutdown()
	})
}

// Several operations that end at once recall it once, too.
func TestALaneRecalls(t *testing.T) {
	inEachHarvest(t, func(t *testing.T, s *spring, q *cq.Queue, next harvest) {
		got := next.start(context.Background())
		synctest.Wait()
		var lane cq.Lane
		for i := range 3 {
			q.Begin()
			lane.Add(q, cq.Completion{Tag: i, OK: true})
		}
		lane.Flush()
		wantEvent(t, <-got, completed(0))
		s.want(t, "a batch", 1, 1)
	})
}

// When the queue is finished the poller that serves is recalled: no event will come.
func TestTheEndOfTheQueueRecalls(t *testing.T) {
	swallow := finalize(func(*cq.Event) bool { return false })
	for _, tc := range []struct {
		name  string
		begun int
	}{{"nothing in flight", 0}, {"the last operation is swallowed", 1}} {
		t.Run(tc.name, func(t *testing.T) {
			inEachHarvest(t, func(t *testing.T, s *spring, q *cq.Queue, next harvest) {
				for range tc.begun {
					q.Begin()
				}
				got := next.start(context.Background())
				s.want(t, "before", 1, 0)
				q.Shutdown()
				if tc.begun > 0 {
					s.want(t, "an operation is in flight", 1, 0)
					q.Complete(cq.Completion{Finalizer: swallow})
				}
				wantEvent(t, <-got, shutdown)
				s.want(t, "after the end", 1, 1)
			})
		})
	}
}

// When the patience ends the poller is recalled. The queue keeps the source.
func TestTheEndOfThePatienceRecalls(t *testing.T) {
	inEachHarvest(t, func(t *testing.T, s *spring, _ *cq.Queue, next harvest) {
		for i := range int32(2) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			began := time.Now()
			got := next.start(ctx)
			s.want(t, "before the deadline", i+1, i)
			wantEvent(t, <-got, cq.Event{Kind: cq.Timeout, Err: context.DeadlineExceeded})
			s.want(t, "after the deadline", i+1, i+1)
			if waited := time.Since(began); waited != time.Minute {
				t.Errorf("waited %v; want 1m", waited)
			}
			cancel()
		}
	})
}

func TestACancelledPollerIsRecalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, q := newSpring(), cq.New()
		offer(t, q, s)
		ctx, cancel := context.WithCancel(t.Context())
		next := harvest(q.Next)
		got := next.start(ctx)
		s.want(t, "before", 1, 0)
		cancel()
		wantEvent(t, <-got, cq.Event{Kind: cq.Timeout, Err: context.Canceled})
		s.want(t, "after", 1, 1)
		wantEvent(t, q.Next(ctx), cq.Event{Kind: cq.Timeout, Err: context.Canceled})
		wantEvent(t, q.NextUntil(time.Now()), cq.Event{Kind: cq.Timeout, Err: context.DeadlineExceeded})
		s.want(t, "with no patience at all", 1, 1)
	})
}

// A patience that ends after the event has come recalls nobody.
func TestAPatienceThatEndsLateRecallsNobody(t *testing.T) {
	inEachHarvest(t, func(t *testing.T, s *spring, q *cq.Queue, next harvest) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got := next.start(ctx)
		synctest.Wait()
		post(t, q, tag)
		wantEvent(t, <-got, completed(tag))
		time.Sleep(time.Hour) // fake clock
		s.want(t, "long after", 1, 1)
	})
}

// If both the queue and the patience have ended, the answer is Shutdown.
func TestTheEndOfTheQueueIsPreferredToThatOfThePatience(t *testing.T) {
	inEachHarvest(t, func(t *testing.T, s *spring, q *cq.Queue, next harvest) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s.during = func() bool {
			time.Sleep(time.Hour) // fake clock
			q.Shutdown()
			return false
		}
		if ev := next(ctx); ev.Kind != cq.Shutdown {
			t.Errorf("got %+v; want SHUTDOWN", ev)
		}
	})
}

// When Serve reports false the source is forgotten, unless it was offered again meanwhile.
func TestASourceIsForgotten(t *testing.T) {
	inEachHarvest(t, func(t *testing.T, s *spring, q *cq.Queue, next harvest) {
		s.during = func() bool { return false }
		got := next.start(context.Background())
		s.want(t, "not the poller's", 1, 0)
		wantParked(t, q, "not the poller's", 1)
		post(t, q, 1)
		wantEvent(t, <-got, completed(1))
		s.want(t, "parked", 1, 0)

		s.during = func() bool {
			s.during = nil // the next service is an ordinary one
			offer(t, q, s)
			return false
		}
		offer(t, q, s)
		got = next.start(context.Background())
		s.want(t, "offered anew", 3, 0)
		wantParked(t, q, "offered anew", 0)
		post(t, q, 2)
		wantEvent(t, <-got, completed(2))
		s.want(t, "in the end", 3, 1)
	})
}

func TestOffersAreRefused(t *testing.T) {
	down, taken := cq.New(), cq.New()
	down.Begin() // it is not finished
	down.Shutdown()
	own := newSpring()
	offer(t, taken, own)
	for name, q := range map[string]*cq.Queue{
		"pluck": cq.NewPluck(), "callback": newInline(), "shut down": down, "another source": taken,
	} {
		if q.Offer(newSpring()) {
			t.Errorf("%s: the offer is taken", name)
		}
	}
	offer(t, taken, own) // its own may come again
	if down.Complete(cq.Completion{Tag: tag, OK: true}); own.recalls.Load() != 0 {
		t.Error("a source that nobody serves is recalled")
	}
	wantEvent(t, down.Next(t.Context()), completed(tag))
}

// A source that is forgotten makes room for another.
func TestAnotherSourceMayFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second, q := newSpring(), newSpring(), cq.New()
		first.during = func() bool { return false }
		offer(t, q, first)
		got := harvest(q.Next).start(t.Context())
		wantParked(t, q, "the first is gone", 1)
		offer(t, q, second)
		second.want(t, "offered", 1, 0)
		post(t, q, tag)
		wantEvent(t, <-got, completed(tag))
		second.want(t, "an event", 1, 1)
	})
}

// An offer wakes one idle poller, and none if a poller serves already.
func TestAnOfferWakesAPoller(t *testing.T) {
	inEachHarvest(t, func(t *testing.T, _ *spring, _ *cq.Queue, _ harvest) {
		s, q := newSpring(), cq.New()
		var got [2]<-chan cq.Event
		for i := range got {
			got[i] = harvest(q.Next).start(context.Background())
		}
		wantParked(t, q, "no source", 2)
		for range 2 {
			offer(t, q, s)
			s.want(t, "offered", 1, 0)
			wantParked(t, q, "offered", 1)
		}
		q.Shutdown()
		for i := range got {
			wantEvent(t, <-got[i], shutdown)
		}
	})
}

// A poller that is on its way to an event finds the offer by itself.
func TestAnOfferWakesNobodyForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, q := newSpring(), cq.New()
		next := harvest(q.Next)
		first := next.start(t.Context())
		wantParked(t, q, "no source", 1)
		second := next.start(t.Context())
		wantParked(t, q, "no source", 2)
		if !q.Begin() || !q.CompleteAndOffer(cq.Completion{Tag: 1, OK: true}, s) {
			t.Fatal("the operation or the offer is refused")
		}
		wantParked(t, q, "one is awake", 1)
		s.want(t, "one is awake", 0, 0)
		post(t, q, 2)
		wantEvent(t, <-second, completed(1)) // the latest to park is woken first
		wantEvent(t, <-first, completed(2))
	})
}

// Only one poller serves. Another one parks and takes what others complete, so the first is left
// alone while one is parked.
func TestOnePollerServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, q := newSpring(), cq.New()
		offer(t, q, s)
		next := harvest(q.Next)
		first := next.start(t.Context())
		s.want(t, "one poller", 1, 0)
		second := next.start(t.Context())
		s.want(t, "two pollers", 1, 0)
		wantParked(t, q, "two pollers", 1)

		post(t, q, 1)
		wantEvent(t, <-second, completed(1))
		s.want(t, "one is parked", 1, 0)
		post(t, q, 2)
		wantEvent(t, <-first, completed(2))
		s.want(t, "none is parked", 1, 1)
	})
}

// Two events and one parked poller: the one that serves takes the second.
func TestWhoServesTakesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, q := newSpring(), cq.New()
		offer(t, q, s)
		next := harvest(q.Next)
		first := next.start(t.Context())
		s.want(t, "one poller", 1, 0)
		second := next.start(t.Context())
		wantParked(t, q, "two pollers", 1)
		flush(q, new(cq.Lane), 1, 2)
		s.want(t, "two events", 1, 1)
		got := []cq.Event{<-first, <-second}
		if got[0] == got[1] || got[0].Kind != cq.OpComplete || got[1].Kind != cq.OpComplete {
			t.Errorf("got %v", got)
		}
	})
}

// flush completes operations of q through a lane.
func flush(q *cq.Queue, lane *cq.Lane, tags ...cq.Tag) {
	for _, tag := range tags {
		q.Begin()
		lane.Add(q, cq.Completion{Tag: tag, OK: true})
	}
	lane.Flush()
}

// What the serving poller has found itself is its own: nobody is woken for the first event, others
// are for the rest.
func TestWhoServesTakesWhatItFinds(t *testing.T) {
	for found := 1; found <= 3; found++ {
		synctest.Test(t, func(t *testing.T) {
			s, q := newSpring(), cq.New()
			start := make(chan struct{})
			s.during = func() bool {
				<-start
				var lane cq.Lane
				lane.SetHost(q)
				flush(q, &lane, []cq.Tag{1, 2, 3}[:found]...)
				wantParked(t, q, "what it has found", 3-found)
				return true
			}
			offer(t, q, s)
			next := harvest(q.Next)
			events := []<-chan cq.Event{next.start(t.Context())}
			s.want(t, "one poller", 1, 0)
			for range 2 {
				events = append(events, next.start(t.Context()))
			}
			wantParked(t, q, "three pollers", 2)
			close(start)
			for range found {
				select {
				case <-events[0]:
				case <-events[1]:
				case <-events[2]:
				}
			}
			s.during = nil
			q.Shutdown()
			synctest.Wait()
		})
	}
}

// TestServingLosesNoEvent: pollers serve, give up and come back, while the source is withdrawn and
// offered again all the time. No event is left behind.
func TestServingLosesNoEvent(t *testing.T) {
	const producers, each, pollers = 3, 2000, 3
	s, q := newSpring(), cq.New()
	offer(t, q, s)
	var harvested atomic.Int64
	var polling, producing sync.WaitGroup
	for i := range pollers {
		polling.Go(func() {
			for {
				deadline := time.Time{}
				if i > 0 {
					deadline = time.Now().Add(50 * time.Microsecond)
				}
				switch ev := q.NextUntil(deadline); ev.Kind {
				case cq.OpComplete:
					harvested.Add(1)
				case cq.Shutdown:
					return
				}
			}
		})
	}
	for range producers {
		producing.Go(func() {
			for i := range each {
				post(t, q, i)
				if i%7 == 0 {
					q.Offer(s)
				}
			}
		})
	}
	producing.Wait()
	q.Shutdown()
	polling.Wait()
	if got := harvested.Load(); got != producers*each {
		t.Errorf("harvested %d events; want %d", got, producers*each)
	}
	if n := s.serving.Load(); n != 0 {
		t.Errorf("%d pollers serve in the end", n)
	}
}

func TestLaneForemost(t *testing.T) {
	add := func(lane *cq.Lane, q *cq.Queue) {
		q.Begin()
		lane.Add(q, cq.Completion{Tag: tag})
	}
	a, b := cq.New(), cq.New()
	for _, tc := range []struct {
		name  string
		steps func(lane *cq.Lane, a, b *cq.Queue)
		want  *cq.Queue
	}{
		{"nothing", func(lane *cq.Lane, _, _ *cq.Queue) { lane.Flush() }, nil},
		{"not flushed", func(lane *cq.Lane, a, _ *cq.Queue) { add(lane, a) }, nil},
		{"one", func(lane *cq.Lane, a, _ *cq.Queue) { add(lane, a); lane.Flush() }, a},
		{"two queues", func(lane *cq.Lane, a, b *cq.Queue) { add(lane, b); add(lane, a); add(lane, b); lane.Flush() }, b},
		{"behind another completer", func(lane *cq.Lane, a, _ *cq.Queue) {
			lane.Add(new(recorder), cq.Completion{})
			add(lane, a)
			lane.Flush()
		}, a},
		{"of the last Flush", func(lane *cq.Lane, a, b *cq.Queue) {
			add(lane, a)
			lane.Flush()
			add(lane, b)
			lane.Flush()
		}, b},
		{"an empty Flush", func(lane *cq.Lane, a, _ *cq.Queue) { add(lane, a); lane.Flush(); lane.Flush() }, nil},
		{"no queue in the last Flush", func(lane *cq.Lane, a, _ *cq.Queue) {
			add(lane, a)
			lane.Flush()
			lane.Add(new(recorder), cq.Completion{})
			lane.Flush()
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var lane cq.Lane
			tc.steps(&lane, a, b)
			switch got := lane.Foremost(); {
			case tc.want == nil && got != nil:
				t.Errorf("foremost is %v; want none", got)
			case tc.want != nil && got != tc.want:
				t.Errorf("foremost is %p; want %p (a is %p, b %p)", got, tc.want, a, b)
			}
			lane.Flush()
		})
	}
}

func TestLaneHost(t *testing.T) {
	var lane cq.Lane
	if got := lane.Host(); got != nil {
		t.Errorf("host is %v; want none", got)
	}
	q := cq.New()
	if lane.SetHost(q); lane.Host() != q {
		t.Errorf("host is %v; want %v", lane.Host(), q)
	}
	lane.Flush()
	if lane.Host() != q {
		t.Error("Flush changes the host")
	}
	if lane.SetHost(nil); lane.Host() != nil {
		t.Errorf("host is %v; want none", lane.Host())
	}
}

// A callback that panics where it is delivered does not hold up later ones.
func TestLaneAfterAPanic(t *testing.T) {
	var lane cq.Lane
	inline, q := newInline(), cq.New()
	func() {
		defer func() { _ = recover() }()
		flush(inline, &lane, func(cq.Event) { panic("user") })
	}()
	flush(q, &lane, tag)
	wantEvent(t, q.NextUntil(time.Now()), completed(tag))
}

// Nor those that were delivered with it: all end, once.
func TestLaneAfterAPanicInABatch(t *testing.T) {
	var lane cq.Lane
	inline, q := newInline(), cq.New()
	var ran []int
	add := func(to cq.Completer, tag cq.Tag) {
		to.Begin()
		lane.Add(to, cq.Completion{Tag: tag, OK: true})
	}
	note := func(n int) func(cq.Event) { return func(cq.Event) { ran = append(ran, n) } }
	add(q, 1)
	add(inline, note(1))
	add(inline, func(cq.Event) {
		add(q, 3) // after what was there
		panic("user")
	})
	last := make(chan struct{})
	add(inline, func(cq.Event) { close(last) })
	var other recorder
	lane.Add(&other, cq.Completion{Tag: "other"})
	add(q, 2)
	func() {
		defer func() { _ = recover() }()
		lane.Flush()
	}()
	<-last
	add(&other, nil)
	add(inline, func(cq.Event) { // twice around, so that the lane has room for both sides
		add(&other, nil)
		add(inline, func(cq.Event) {
			add(&other, nil)
			add(inline, func(cq.Event) { panic("the last") })
		})
	})
	func() {
		defer func() { _ = recover() }()
		lane.Flush()
	}()
	add(inline, func(cq.Event) { add(q, 4); add(q, 5); add(inline, note(2)) })
	add(q, 6)
	lane.Flush()
	for _, n := range []int{1, 2, 3, 6, 4, 5} {
		wantEvent(t, q.NextUntil(time.Now()), completed(n))
	}
	if !slices.Equal(ran, []int{1, 2}) || len(other.tags) != 4 {
		t.Errorf("callbacks %v and completions %v; want two and four", ran, other.tags)
	}
	for _, q := range []*cq.Queue{q, inline} {
		wantErr(t, q.Close(t.Context()), nil)
	}
}
