package call

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/frame"
)

func TestClientDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Deadline = time.Now().Add(time.Second) })
		var st cqrpc.Status
		r.start("all", SendInitialMetadata(nil), RecvStatus(&st, nil))
		r.start("recv", RecvMessage(nil))
		wait(time.Second - 1)
		r.want("not yet")
		wait(1)
		events := r.want("expired", "all", "!recv")
		if st.Code != cqrpc.CodeDeadlineExceeded || st.Message != "Deadline Exceeded" {
			t.Errorf("status %v", st)
		}
		for _, ev := range events {
			if ev.Tag == "recv" && !errors.Is(ev.Err, context.DeadlineExceeded) {
				t.Errorf("error %v", ev.Err)
			}
		}
		if s := r.stream(); len(s.resets) != 1 || s.resets[0] != frame.Cancel {
			t.Errorf("resets %v", s.resets)
		}
	})
}

// Of the two timers of a deadline, the call's and its context's, either may be first: the status is the same.
func TestDeadlineOfContextIsThatOfCall(t *testing.T) {
	for _, first := range []string{"call", "context"} {
		t.Run(first, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, contexts := time.Now().Add(time.Second), time.Now().Add(2*time.Second)
				if first == "context" {
					calls, contexts = contexts, calls
				}
				r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Deadline = calls })
				ctx, cancel := context.WithDeadline(t.Context(), contexts)
				defer cancel()
				r.c.Watch(ctx)
				var st cqrpc.Status
				r.start("all", SendInitialMetadata(nil), RecvStatus(&st, nil))
				r.accept()
				wait(time.Second)
				r.want("expired", "all")
				if st.Code != cqrpc.CodeDeadlineExceeded || st.Message != "Deadline Exceeded" {
					t.Errorf("status %v", st)
				}
			})
		})
	}
}

// A deadline in the past ends the call at its creation; batches still complete.
func TestPastDeadline(t *testing.T) {
	r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Deadline = time.Unix(1, 0) })
	if !r.c.Finished() {
		t.Error("not finished")
	}
	var st cqrpc.Status
	r.start("all", SendInitialMetadata(nil), SendValue("m"), SendClose(), RecvInitialMetadata(nil), RecvMessage(nil),
		RecvStatus(&st, nil))
	r.want("complete", "all")
	if st.Code != cqrpc.CodeDeadlineExceeded || r.opener.opened != 0 {
		t.Errorf("%v, opened %d", st, r.opener.opened)
	}
}

// The peer's timer may be faster than ours.
func TestCancelledByPeerAtDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Deadline = time.Now().Add(time.Second) })
		var st cqrpc.Status
		r.start("all", SendInitialMetadata(nil), RecvStatus(&st, nil))
		r.c.clock.alarm.timer.Stop() // ours is late
		wait(time.Second)
		r.closed(&frame.CloseError{Kind: frame.ResetByPeer, Code: frame.Cancel})
		r.want("over", "all")
		if st.Code != cqrpc.CodeDeadlineExceeded {
			t.Errorf("status %v", st)
		}
	})
}

func TestServerDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newServerRig(t, Config{}, requestFields("grpc-timeout", "1S")...)
		var cancelled bool
		r.start("close", RecvClose(&cancelled))
		wait(time.Second)
		r.want("expired", "close")
		if got := fieldValue(r.server.trailers, "grpc-status"); got != "4" || !cancelled {
			t.Errorf("grpc-status %s, cancelled %v", got, cancelled)
		}
	})
}

// A client whose deadline has passed resets its call, often a moment before the server's own clock
// says so. That is no abuse; to give up at once is, whatever the time limit was.
func TestServerExcusesClientsOutOfTime(t *testing.T) {
	for _, tt := range []struct {
		timeout string
		age     time.Duration
		want    bool
	}{
		{"100m", 100*time.Millisecond - 1, true},
		{"100m", 75 * time.Millisecond, true},
		{"100m", 75*time.Millisecond - 1, false},
		{"100m", 0, false},
		{"5m", 5*time.Millisecond - 1, false},
		{"6m", 5 * time.Millisecond, true},
		{"6m", 5*time.Millisecond - 1, false},
		{"1H", time.Minute, false},
	} {
		t.Run(fmt.Sprint(tt.timeout, " after ", tt.age), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newServerRig(t, Config{}, requestFields("grpc-timeout", tt.timeout)...)
				wait(tt.age)
				r.closed(&frame.CloseError{Kind: frame.ResetByPeer, Code: frame.Cancel})
				if r.server.excused != tt.want {
					t.Errorf("excused: %v", r.server.excused)
				}
			})
		})
	}
}

// Other ends of a stream, and resets of calls without a time limit, are not excused.
func TestServerExcusesDeadlinesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endless := newServerRig(t, Config{})
		lost := newServerRig(t, Config{}, requestFields("grpc-timeout", "1S")...)
		wait(time.Second - 1)
		endless.closed(&frame.CloseError{Kind: frame.ResetByPeer, Code: frame.Cancel})
		lost.closed(&frame.CloseError{Kind: frame.ConnLost})
		if endless.server.excused {
			t.Error("a reset of a call without a deadline is excused")
		}
		if lost.server.excused {
			t.Error("the end of the connection is excused")
		}
	})
}

// Before the stream reports to the call, its deadline must not send anything.
func TestServerDeadlineWaitsForStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStream{}
		c, err := NewServer(nil, Config{Settings: textSettings()}, s,
			&frame.Headers{Fields: requestFields("grpc-timeout", "1n")}, &Peer{})
		if err != nil {
			t.Fatal(err)
		}
		wait(time.Second)
		if s.given.End {
			t.Fatal("the call ended before it started")
		}
		c.Start()
		synctest.Wait()
		if !s.given.End || !c.Finished() {
			t.Error("the deadline was forgotten")
		}
	})
}

// The timer of a finished call does not keep it.
func TestDeadlineTimerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Deadline = time.Now().Add(time.Second) })
		r.c.Cancel()
		if r.c.clock.alarm != nil {
			t.Error("timer is still there")
		}
	})
}

func TestParentPropagation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		tests := []struct {
			mask     Propagation
			own      time.Time
			deadline time.Time
			canceled bool
		}{
			{0, time.Time{}, now.Add(5 * time.Second), true},
			{0, now.Add(time.Second), now.Add(time.Second), true},
			{0, now.Add(9 * time.Second), now.Add(5 * time.Second), true},
			{PropagateDeadline, time.Time{}, now.Add(5 * time.Second), false},
			{PropagateCancellation, time.Time{}, time.Time{}, true},
			{PropagateNothing, time.Time{}, time.Time{}, false},
		}
		for _, tt := range tests {
			parent := newServerRig(t, Config{}, requestFields("grpc-timeout", "5S")...)
			child := newRig(t, func(cfg *Config, _ *fakeOpener) {
				cfg.Parent, cfg.Propagate, cfg.Deadline = parent.c, tt.mask, tt.own
			})
			if d, _ := child.c.Deadline(); !d.Equal(tt.deadline) {
				t.Errorf("%+v: deadline %v", tt, d)
			}
			var st cqrpc.Status
			child.start("st", RecvStatus(&st, nil))
			parent.start("end", SendStatus(cqrpc.Status{}, nil)) // a normal end cancels too
			parent.accept()
			if got := child.c.Finished(); got != tt.canceled {
				t.Errorf("%+v: finished %v", tt, got)
			}
			if tt.canceled {
				child.want("cancelled", "st")
				if st.Code != cqrpc.CodeCanceled {
					t.Errorf("status %v", st)
				}
			}
		}
	})
}

func TestParentsAndChildren(t *testing.T) {
	parent := newServerRig(t, Config{})
	var children [4]*rig
	for i := range children {
		children[i] = newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Parent = parent.c })
	}
	for _, i := range []int{1, 3, 0} { // from the middle, the head and the tail
		children[i].c.Cancel()
	}
	if f := parent.c.family.first; f != children[2].c || f.family.next != nil || f.family.prev != nil {
		t.Error("the wrong child is left")
	}
	parent.c.Cancel()
	if !children[2].c.Finished() || parent.c.family.first != nil {
		t.Error("the last child lives")
	}
	late := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Parent = parent.c })
	if !late.c.Finished() {
		t.Error("a child of a finished call lives")
	}
}
