package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// wantWaiting wants n calls to wait for a connection.
func (s *scene) wantWaiting(why string, n int) {
	s.Helper()
	synctest.Wait()
	s.ch.mu.Lock()
	defer s.ch.mu.Unlock()
	if got := s.ch.waiting.len(); got != n {
		s.Fatalf("%s: %d calls wait; want %d", why, got, n)
	}
}

// simple_delayed_request: the server comes later than the call.
func TestFailFast(t *testing.T) {
	play(t, func(s *scene) {
		s.net.Refuse(syscall.ECONNREFUSED)
		r := s.unary(s.Context(), "first")
		s.wantFailed("waits for the attempt, then fails", r, cqrpc.CodeUnavailable, "mem.test:50051", "refused")
		s.wantState("failed", TransientFailure)
		if !errors.Is(r.err, syscall.ECONNREFUSED) {
			s.Errorf("the error %v does not lead to its cause", r.err)
		}
		var e *cqrpc.Error
		if !errors.As(r.err, &e) || e.Origin != cqrpc.OriginTransport {
			s.Errorf("the error is %#v; want its origin to be the transport", r.err)
		}
		r = s.unary(s.Context(), "second")
		s.wantFailed("fails at once with the last connect error", r, cqrpc.CodeUnavailable, "refused")
		s.wantDials("a failing call does not hurry the back-off", 0)
	})
}

// A call whose time is over while it waits for a connection says so, and why there is none.
func TestWaitForReadySaysWhyNot(t *testing.T) {
	play(t, func(s *scene) {
		s.net.Refuse(syscall.ECONNREFUSED)
		soon := time.Now().Add(time.Second)
		timed := s.unary(s.Context(), "a", WithWaitForReady(true), WithDeadline(soon))
		ctx, cancel := context.WithDeadline(s.Context(), soon)
		defer cancel()
		bounded := s.unary(ctx, "b", WithWaitForReady(true))
		ctx, leave := context.WithCancel(s.Context())
		left := s.unary(ctx, "c", WithWaitForReady(true))
		s.advance(time.Second - 1)
		s.wantPending("they wait", timed)
		leave()
		s.advance(1)
		const why = " while waiting for a connection: "
		for code, results := range map[cqrpc.Code][]*result{
			cqrpc.CodeDeadlineExceeded: {timed, bounded}, cqrpc.CodeCanceled: {left},
		} {
			for _, r := range results {
				s.wantFailed("in vain", r, code, why, "mem.test:50051", "refused")
				if !errors.Is(r.err, syscall.ECONNREFUSED) {
					s.Errorf("the error %v does not lead to what stood in the way", r.err)
				}
			}
		}
		s.net.Refuse(nil)
		s.advance(2 * time.Second)
		s.accepted = len(s.attempts()) - 1
		p := s.server("the server is there")
		r := s.unary(s.Context(), "d", WithDeadline(time.Now().Add(time.Second)))
		wantCall(p, "sent", 1, unaryMethod.Name, "d")
		s.advance(time.Second)
		s.wantFailed("a call that had a connection", r, cqrpc.CodeDeadlineExceeded)
		if strings.Contains(r.err.Error(), "waiting") {
			s.Errorf("the error is %v", r.err)
		}
	})
}

func TestWaitForReadyOutlastsFailures(t *testing.T) {
	play(t, func(s *scene) {
		s.net.Refuse(syscall.ECONNREFUSED)
		r := s.unary(s.Context(), "a", WithWaitForReady(true))
		s.advance(2 * time.Second)
		s.wantDials("attempts go on", 0, time.Second)
		s.wantState("none succeeded", TransientFailure)
		s.wantPending("it waits for ready", r)
		s.net.Refuse(nil)
		s.advance(time.Second)
		s.accepted = 2 // the refused ones
		p := s.server("the server came up")
		wantCall(p, "it was sent then", 1, unaryMethod.Name, "a")
		answer(p, 1, "b")
		s.wantOK("answered", r, "b")
	})
}

func TestWaitForReadyByDefault(t *testing.T) {
	play(t, func(s *scene) {
		s.net.Refuse(syscall.ECONNREFUSED)
		patient := s.unary(s.Context(), "a")
		hasty := s.unary(s.Context(), "b", WithWaitForReady(false))
		s.wantPending("the channel's default", patient)
		s.wantFailed("the call's own option wins", hasty, cqrpc.CodeUnavailable)
		s.ch.Close()
		s.wantFailed("closed", patient, cqrpc.CodeUnavailable)
	}, WithDefaultCallOptions(WithWaitForReady(true)))
}

func TestDeadlineRunsWhileWaiting(t *testing.T) {
	play(t, func(s *scene) {
		s.net.Refuse(syscall.ECONNREFUSED)
		ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
		defer cancel()
		byContext := s.unary(ctx, "a", WithWaitForReady(true))
		byOption := s.unary(s.Context(), "b", WithWaitForReady(true), WithDeadline(time.Now().Add(7*time.Second)))
		s.wantWaiting("both", 2)
		s.advance(5 * time.Second)
		s.wantFailed("the context's deadline", byContext, cqrpc.CodeDeadlineExceeded)
		s.wantWaiting("it was forgotten", 1)
		s.advance(2 * time.Second)
		s.wantFailed("the call's deadline", byOption, cqrpc.CodeDeadlineExceeded)
		s.wantWaiting("it was forgotten", 0)
	})
}

func TestCancelWhileWaiting(t *testing.T) {
	play(t, func(s *scene) {
		ctx, cancel := context.WithCancel(s.Context())
		cancelled, other := s.unary(ctx, "a"), s.unary(s.Context(), "b")
		s.wantWaiting("no server has greeted", 2)
		cancel()
		s.wantFailed("cancelled", cancelled, cqrpc.CodeCanceled)
		if !errors.Is(cancelled.err, context.Canceled) {
			s.Errorf("the error is %v; want context.Canceled", cancelled.err)
		}
		s.wantWaiting("it was forgotten", 1)
		p := s.server("the call connects")
		wantCall(p, "only the other is sent", 1, unaryMethod.Name, "b")
		answer(p, 1, "c")
		s.wantOK("answered", other, "c")
		p.WantIdle("nothing of the cancelled call was ever sent")
	})
}

func TestCallsThatWaitAreSentInOrder(t *testing.T) {
	play(t, func(s *scene) {
		var calls []*result
		for i := range 20 {
			calls = append(calls, s.unary(s.Context(), fmt.Sprint(i)))
		}
		s.wantState("the first call connects", Connecting)
		s.wantDials("one attempt serves all", 0)
		p := s.server("they connect")
		for i := range calls {
			id := uint32(2*i + 1)
			wantCall(p, "first come, first served", id, unaryMethod.Name, fmt.Sprint(i))
		}
		for i := range calls {
			answer(p, uint32(2*i+1), "ok")
		}
		for _, r := range calls {
			s.wantOK("answered", r, "ok")
		}
	})
}

func TestCloseEndsCallsInEveryState(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
		open := s.unary(s.Context(), "open")
		wantCall(p, "sent", 1, unaryMethod.Name, "open")
		queued := s.unary(s.Context(), "queued", WithWaitForReady(true))
		s.ch.Close()
		s.wantFailed("a call in progress", open, cqrpc.CodeUnavailable, ErrChannelClosed.Error())
		s.wantFailed("a call that waits for its stream", queued, cqrpc.CodeUnavailable, ErrChannelClosed.Error())
		late := s.unary(s.Context(), "late", WithWaitForReady(true))
		s.wantFailed("a call made later", late, cqrpc.CodeUnavailable, ErrChannelClosed.Error())
		for _, r := range []*result{open, queued, late} {
			if !errors.Is(r.err, ErrChannelClosed) {
				s.Errorf("%v does not wrap ErrChannelClosed", r.err)
			}
		}
		p.WantGoAway("in order", http2.ErrCodeNo)
		p.WantClosed("for good")
		if err := s.ch.Close(); err != nil {
			s.Error("Close is idempotent:", err)
		}
	})
}

func TestCloseWhileConnecting(t *testing.T) {
	for name, hook := range map[string]func(context.Context) error{
		"dialing":                  hang,
		"waiting for the greeting": nil,
		"backing off":              func(context.Context) error { return errors.New("no route") },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				s.onDial(hook)
				r := s.unary(s.Context(), "a", WithWaitForReady(true))
				s.wantPending("not connected", r)
				s.ch.Close()
				s.wantFailed("closed", r, cqrpc.CodeUnavailable, ErrChannelClosed.Error())
				s.advance(time.Hour)
				s.wantDials("attempts end with the channel", 0)
			})
		})
	}
}

func TestChannelNeverUsedCloses(t *testing.T) {
	play(t, func(s *scene) {
		s.ch.Close()
		s.wantState("closed", Shutdown)
		s.wantFailed("closed", s.unary(s.Context(), "a"), cqrpc.CodeUnavailable, ErrChannelClosed.Error())
		s.wantDials("never")
	})
}

// max_concurrent_streams: the second call waits for the first, and can be
// cancelled meanwhile.
func TestMaxConcurrentStreams(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
		ctx, cancel := context.WithCancel(s.Context())
		first, second := s.unary(s.Context(), "1"), s.unary(ctx, "2")
		third := s.unary(s.Context(), "3", WithDeadline(time.Now().Add(time.Second)))
		fourth := s.unary(s.Context(), "4")
		wantCall(p, "one at a time", 1, unaryMethod.Name, "1")
		p.WantIdle("the others wait")
		cancel()
		const why = " while waiting for a stream: connection to server: all streams that the server allows are in use: 1"
		s.wantFailed("cancelled while it waited", second, cqrpc.CodeCanceled, why)
		s.advance(time.Second)
		s.wantFailed("timed out while it waited", third, cqrpc.CodeDeadlineExceeded, why)
		answer(p, 1, "one")
		s.wantOK("answered", first, "one")
		wantCall(p, "its turn", 3, unaryMethod.Name, "4")
		answer(p, 3, "four")
		s.wantOK("answered", fourth, "four")
		p.WantIdle("the other two were never sent")
	})
}

// A call may be started on one goroutine and cancelled on another, and Forget
// come before the call is listed: it must not stay in the list.
func TestForgetBeforeTheCallIsListed(t *testing.T) {
	play(t, func(s *scene) {
		s.onDial(hang)
		q := cq.New()
		c := s.ch.NewCall(q, unaryMethod.Name, WithWaitForReady(true))
		c.Cancel()
		o := (*opener)(s.ch)
		o.Forget(c)
		o.Open(c)
		s.wantWaiting("it is over", 0)
		if err := q.Close(s.Context()); err != nil {
			s.Error(err)
		}
	})
}

// Calls made and cancelled while the channel connects, loses and closes: every
// batch ends once.
func TestConcurrentCallsAndCancels(t *testing.T) {
	play(t, func(s *scene) {
		s.onDial(func(ctx context.Context) error {
			time.Sleep(3 * time.Millisecond) // fake clock
			return errors.New("no route")
		})
		q := cq.New()
		const n = 200
		calls := make([]*call.Call, n)
		for i := range n {
			c := s.ch.NewCall(q, unaryMethod.Name, WithWaitForReady(i%2 == 0))
			calls[i] = c
			go func() {
				time.Sleep(time.Duration(i%7) * time.Millisecond) // fake clock
				startUnary(s, c, i)
			}()
			go func() {
				time.Sleep(time.Duration(i%5) * time.Millisecond) // fake clock
				if i%3 == 0 {
					c.Cancel()
				}
			}()
		}
		s.advance(20 * time.Millisecond)
		s.ch.Close()
		seen := make(map[cq.Tag]bool)
		for range n {
			ev := q.Next(s.Context())
			if ev.Kind != cq.OpComplete || seen[ev.Tag] {
				s.Fatalf("after %d events: %+v", len(seen), ev)
			}
			seen[ev.Tag] = true
		}
		s.wantNoEvent("one event a batch", q)
		for _, c := range calls {
			if c.Close(); !c.Finished() {
				s.Errorf("%v is not finished", c)
			}
		}
	})
}

// startUnary starts the canonical batch of a unary call.
func startUnary(s *scene, c *call.Call, tag cq.Tag) {
	var st cqrpc.Status
	var res []byte
	err := c.StartBatch([]call.Op{
		call.SendInitialMetadata(nil), call.SendValue([]byte("x")), call.SendClose(),
		call.RecvInitialMetadata(nil), call.RecvValue(&res, nil), call.RecvStatus(&st, nil),
	}, tag)
	if err != nil {
		s.Error("StartBatch:", err)
	}
}

// What a call waited for, and what stood in the way, its error says once and in one line.
func TestErrorOfAWait(t *testing.T) {
	play(t, func(s *scene) {
		s.net.Refuse(syscall.ECONNREFUSED)
		ctx, cancel := context.WithCancel(s.Context())
		r := s.unary(ctx, "a", WithWaitForReady(true))
		cancel()
		s.wantFailed("in vain", r, cqrpc.CodeCanceled)
		const want = "CANCELLED: context canceled while waiting for a connection: dial mem.test:50051: " +
			"dial mem server: connection refused"
		if text := r.err.Error(); text != want {
			s.Errorf("the error is\n%s, want\n%s", text, want)
		}
		if !errors.Is(r.err, context.Canceled) || !errors.Is(r.err, syscall.ECONNREFUSED) {
			s.Errorf("it is not what %v says", r.err)
		}
	})
}
