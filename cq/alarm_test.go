package cq_test

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

func cancelled(tag cq.Tag) cq.Event {
	return cq.Event{Kind: cq.OpComplete, Tag: tag, Err: context.Canceled}
}

func TestAlarmFiresOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := cq.New()
		start := time.Now()
		var a cq.Alarm
		wantErr(t, a.Set(q, start.Add(time.Hour), 1), nil)
		for _, d := range []time.Duration{3, 2} {
			if _, err := q.After(d*time.Minute, d); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []struct {
			after time.Duration
			tag   cq.Tag
		}{{2 * time.Minute, time.Duration(2)}, {3 * time.Minute, time.Duration(3)}, {time.Hour, 1}} {
			wantEvent(t, q.Next(t.Context()), completed(want.tag))
			if got := time.Since(start); got != want.after {
				t.Errorf("alarm %v after %v, want %v", want.tag, got, want.after)
			}
		}
	})
}

func TestAlarmThatIsDueGoesThroughTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := cq.New()
		for _, d := range []time.Duration{0, -1, math.MinInt64} {
			if _, err := q.After(d, d); err != nil {
				t.Fatal(err)
			}
			wantEvent(t, q.NextUntil(past), completed(d))
		}
		if _, err := q.At(time.Time{}, tag); err != nil {
			t.Fatal(err)
		}
		wantEvent(t, q.NextUntil(past), completed(tag))
		if _, err := q.After(math.MaxInt64, tag); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10000 * time.Hour) // fake
		if kind := q.NextUntil(past).Kind; kind != cq.Timeout {
			t.Errorf("the longest alarm: got %v, want a timeout", kind)
		}
		q.Shutdown()
	})
}

func TestAlarmCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := cq.New()
		var a cq.Alarm
		a.Cancel() // never set
		wantErr(t, a.Set(q, time.Now().Add(time.Second), 1), nil)
		wantErr(t, a.Set(q, time.Now().Add(time.Minute), 2), cq.ErrAlarmArmed)
		a.Cancel()
		a.Cancel()
		wantErr(t, a.Set(q, time.Now().Add(time.Minute), 3), nil) // before the event is taken
		wantEvent(t, q.Next(t.Context()), cancelled(1))
		start := time.Now()
		wantEvent(t, q.Next(t.Context()), completed(3))
		if got := time.Since(start); got != time.Minute {
			t.Errorf("fired after %v, want 1m", got)
		}
		a.Cancel() // fired
		q.Shutdown()
		wantEvent(t, q.Next(t.Context()), shutdown)
	})
}

func TestAlarmMovesBetweenQueues(t *testing.T) {
	one, other := cq.New(), cq.NewPluck()
	var a cq.Alarm
	wantErr(t, a.Set(one, farFuture, 1), nil)
	wantErr(t, a.Set(other, farFuture, 2), cq.ErrAlarmArmed)
	a.Cancel()
	wantErr(t, a.Set(other, farFuture, 2), nil)
	wantErr(t, one.Close(t.Context()), nil)
	wantErr(t, a.Set(one, farFuture, 1), cq.ErrAlarmArmed)
	a.Cancel()
	wantEvent(t, other.Pluck(t.Context(), 2), cancelled(2))
	wantErr(t, a.Set(one, farFuture, 1), cq.ErrShutdown)
	wantErr(t, a.Set(other, past, 3), nil)
	wantEvent(t, other.Pluck(t.Context(), 3), completed(3))
}

// TestShutdownEndsAlarms: C-core lets the drain wait for them.
func TestShutdownEndsAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		q := cq.New()
		for i := range 3 {
			if _, err := q.After(time.Hour, i); err != nil {
				t.Fatal(err)
			}
		}
		q.Begin()
		q.Shutdown()
		if _, err := q.After(time.Hour, 3); err != nil {
			t.Errorf("After on a queue that is not finished: %v", err)
		}
		q.Complete(cq.Completion{Tag: 4, OK: true})
		got := map[cq.Tag]bool{}
		for ev := range q.Events(t.Context()) {
			got[ev.Tag] = true
			if ev.Tag != 4 && (ev.OK || ev.Err != cq.ErrShutdown) {
				t.Errorf("got %+v, want it ended by the shutdown", ev)
			}
		}
		if len(got) != 5 {
			t.Errorf("events of %v, want of five", got)
		}
		if _, err := q.After(time.Hour, 5); err != cq.ErrShutdown {
			t.Errorf("After on a finished queue: %v", err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("draining took %v", d)
		}
	})
}

func TestAlarmOnACallbackQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := false
		q := cq.NewCallback(cq.Inline(), func() { done = true })
		var got []cq.Event
		rang := func(ev cq.Event) { got = append(got, ev) }
		var a cq.Alarm
		a.Set(q, time.Now().Add(time.Second), rang)
		time.Sleep(2 * time.Second) // fake
		a.Set(q, time.Now().Add(time.Second), rang)
		q.Shutdown()
		if len(got) != 2 || !got[0].OK || got[1].OK || got[1].Err != cq.ErrShutdown || !done {
			t.Errorf("got %+v, shut down %v; want one alarm fired and one ended by the shutdown", got, done)
		}
	})
}

// TestAlarmRace sets, cancels and fires one alarm from many goroutines: every
// successful Set has one event, and none fires before its time.
func TestAlarmRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queues := []*cq.Queue{cq.New(), cq.New()}
		var a cq.Alarm
		var sets [8]int
		var setting, harvesting sync.WaitGroup
		for i := range sets {
			setting.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), 2))
				for range 300 {
					when := time.Now().Add(time.Duration(r.IntN(3)) * time.Second)
					if a.Set(queues[r.IntN(2)], when, when) == nil {
						sets[i]++
					}
					if r.IntN(2) == 0 {
						a.Cancel()
					}
					time.Sleep(time.Duration(r.IntN(3)) * time.Second) // fake
				}
			})
		}
		var events [2]int
		for i, q := range queues {
			harvesting.Go(func() {
				for ev := range q.Events(context.Background()) {
					events[i]++
					if when := ev.Tag.(time.Time); ev.OK && time.Now().Before(when) {
						t.Errorf("an alarm for %v fired at %v", when, time.Now())
					}
				}
			})
		}
		setting.Wait()
		for _, q := range queues {
			q.Shutdown()
		}
		harvesting.Wait()
		total := 0
		for _, n := range sets {
			total += n
		}
		if got := events[0] + events[1]; got != total || total == 0 {
			t.Errorf("%d events for %d sets", got, total)
		}
	})
}
