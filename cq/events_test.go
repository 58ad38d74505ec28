package cq_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc/cq"
)

// However many are taken at a time, all are yielded in the order in which they ended. A loop that
// is left puts the rest back; until then what it begins is accepted.
func TestEventsNLeavesTheRest(t *testing.T) {
	for _, n := range []int{-1, 1, 2, 3, 32, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			q := cq.New()
			for i := range 100 {
				post(t, q, i)
			}
			q.Shutdown()
			var got []cq.Tag
			for rounds := 0; len(got) < 105; rounds++ {
				for ev := range q.EventsN(context.Background(), n) {
					if got = append(got, ev.Tag); len(got) <= 5 {
						post(t, q, 99+len(got)) // behind all others
					}
					if len(got)%7 == 0 {
						break
					}
				}
				if rounds > 100 {
					t.Fatalf("%d events in %d rounds", len(got), rounds)
				}
			}
			want := make([]cq.Tag, 105)
			for i := range want {
				want[i] = i
			}
			if !slices.Equal(got, want) {
				t.Errorf("events %v", got)
			}
			wantEvent(t, q.NextUntil(past), shutdown)
		})
	}
}

// What a loop that is left puts back wakes a poller that has found nothing meanwhile.
func TestEventsPutBackWakesAPoller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := cq.New()
		post(t, q, 1)
		post(t, q, 2)
		got := make(chan cq.Event, 1)
		for ev := range q.EventsN(t.Context(), 2) {
			if ev.Tag != 1 {
				t.Errorf("the first event is %v", ev)
			}
			go func() { got <- q.Next(t.Context()) }()
			synctest.Wait() // it waits: both events are in hand
			break
		}
		wantEvent(t, <-got, completed(2))
	})
}

// If the body or a finalizer ends the goroutine, only the event at hand is lost.
func TestEventsNSurvives(t *testing.T) {
	crashes := map[string]func(){"panic": func() { panic("on purpose") }, "exit": runtime.Goexit}
	for name, crash := range crashes {
		for where, inBody := range map[string]bool{"body": true, "finalizer": false} {
			t.Run(name+" in "+where, func(t *testing.T) {
				q := cq.New()
				for i := range 5 {
					q.Begin()
					q.Complete(cq.Completion{Tag: i, OK: true, Finalizer: finalize(func(*cq.Event) bool {
						if i == 1 && !inBody {
							crash()
						}
						return i != 2
					})})
				}
				var got []cq.Tag
				var polling sync.WaitGroup
				polling.Go(func() {
					defer func() { _ = recover() }()
					for ev := range q.EventsN(context.Background(), 32) {
						if ev.Tag == 1 {
							crash()
						}
						got = append(got, ev.Tag)
					}
				})
				polling.Wait()
				wantEvent(t, q.NextUntil(past), completed(3))
				q.Shutdown()
				for ev := range q.EventsN(context.Background(), 32) {
					got = append(got, ev.Tag)
				}
				if !slices.Equal(got, []cq.Tag{0, 4}) {
					t.Errorf("other events %v", got)
				}
				if err := q.Post(9, true); !errors.Is(err, cq.ErrShutdown) {
					t.Errorf("Post in the end: %v", err)
				}
			})
		}
	}
}
