package call

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// timedCall makes a client call that ends at its deadline, after d.
func timedCall(s *Settings, d time.Duration) *Call {
	return NewClient(nil, Config{Method: "/s/m", Deadline: time.Now().Add(d), Settings: s}, &fakeOpener{})
}

// wantEnd wants c to end after d and not before.
func wantEnd(t *testing.T, c *Call, d time.Duration) {
	t.Helper()
	wait(d - 1)
	if c.Finished() {
		t.Fatalf("ended before its deadline in %v", d)
	}
	wait(1)
	if !c.Finished() {
		t.Fatalf("has not ended at its deadline in %v", d)
	}
}

// An alarm that was set to an earlier deadline, or to a later one, by a call that has
// ended ends the next call when that one's has come.
func TestAlarmGoesOn(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after time.Duration
	}{
		{"to a later deadline", time.Second, 3 * time.Second},
		{"to an earlier one", time.Hour, time.Second},
		{"to the same", time.Second, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := textSettings()
				first := timedCall(s, tt.before)
				used := first.clock.alarm
				first.Cancel()
				next := timedCall(s, tt.after)
				if next.clock.alarm != used {
					t.Fatal("the alarm of the call before is not used again")
				}
				wantEnd(t, next, tt.after)
			})
		})
	}
}

// A deadline that is further away than an alarm can count, such as 99999999H of a peer, is no reason
// for the next call to have none. In a bubble it would not be: began comes after its clock.
func TestAlarmOfADeadlineThatNeverComes(t *testing.T) {
	s := textSettings()
	first := timedCall(s, math.MaxInt64)
	used := first.clock.alarm
	first.Cancel()
	next := timedCall(s, time.Hour)
	defer next.Cancel()
	if next.clock.alarm != used {
		t.Fatal("the alarm of the call before is not used again")
	}
	if at, due := used.rings.Load(), int64(next.clock.deadline.Sub(began)); at < 0 || at > due {
		t.Errorf("it rings at %d, which is not by the deadline at %d", at, due)
	}
}

// An alarm that belongs to no call rings once, and serves the next call as well.
func TestAlarmWithoutACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := textSettings()
		first := timedCall(s, time.Second)
		used := first.clock.alarm
		first.Cancel()
		wait(time.Minute)
		if at := used.rings.Load(); at != never {
			t.Errorf("rings again at %v", time.Duration(at))
		}
		next := timedCall(s, time.Second)
		if next.clock.alarm != used {
			t.Fatal("not used again")
		}
		wantEnd(t, next, time.Second)
	})
}

// A call after the other sets no timer: it rings for all of them.
func TestAlarmIsNotSetAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := textSettings()
		first := timedCall(s, time.Second)
		used := first.clock.alarm
		at := used.rings.Load()
		first.Cancel()
		for range 10 {
			wait(10 * time.Millisecond)
			c := timedCall(s, time.Second)
			if c.clock.alarm != used || used.rings.Load() != at {
				t.Fatalf("alarm %p set to %d; want %p and %d", c.clock.alarm, used.rings.Load(), used, at)
			}
			c.Cancel()
		}
	})
}

// Alarms beyond those that are kept are stopped.
func TestAlarmsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := textSettings()
		var all []*Call
		for range maxIdleAlarms + 10 {
			all = append(all, timedCall(s, time.Second))
		}
		var alarms []*alarm
		for _, c := range all {
			alarms = append(alarms, c.clock.alarm)
			c.Cancel()
		}
		kept, stopped := 0, 0
		for i := range s.alarms.idle.Load() {
			if s.alarms.idle.Load()[i].Load() != nil {
				kept++
			}
		}
		for _, a := range alarms {
			if !a.timer.Stop() {
				stopped++
			}
		}
		if kept != maxIdleAlarms || stopped != 10 {
			t.Errorf("%d alarms are kept and %d stopped; want %d and 10", kept, stopped, maxIdleAlarms)
		}
	})
}

// Calls that end early, late and at once, with alarms that are used by one after the
// other: each that was left alone ends at its deadline.
func TestAlarmsAtRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := textSettings()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				for range 100 {
					d := time.Duration(1+rand.IntN(1000)) * time.Millisecond
					c := timedCall(s, d)
					early := time.Duration(rand.Int64N(int64(2 * d)))
					if early < d {
						time.Sleep(early) // fake clock
						if c.Finished() {
							t.Errorf("ended %v before its deadline", d-early)
						}
						c.Cancel()
						continue
					}
					time.Sleep(d + 1) // fake clock
					if !c.Finished() {
						t.Errorf("has not ended %v after it was made", d)
					}
				}
			})
		}
		all.Wait()
	})
}

// An alarm that rings while it goes from a call to one with an earlier deadline rings for
// that one in time, whichever of the two sets the timer last.
func TestAlarmRingsWhileItIsSet(t *testing.T) {
	s := textSettings()
	late, soon := timedCall(s, time.Hour), timedCall(s, time.Minute)
	defer late.Cancel()
	defer soon.Cancel()
	due := int64(soon.clock.deadline.Sub(began))
	a := newAlarm()
	defer a.timer.Stop()
	for range 60_000 {
		a.rings.Store(never)
		a.call.Store(late)
		var both sync.WaitGroup
		both.Go(a.ring)
		both.Go(func() {
			a.call.Store(nil)
			a.set(soon)
		})
		both.Wait()
		if at := a.rings.Load(); at > due+int64(time.Second) {
			t.Fatalf("rings %v after the deadline", time.Duration(at-due))
		}
	}
}
