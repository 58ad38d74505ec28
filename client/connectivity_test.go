package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/transport"
)

// history is the states that a goroutine sees until Shutdown.
type history struct {
	mu   sync.Mutex
	seen []State // guarded by mu
}

func (s *scene) history() *history {
	h := &history{seen: []State{s.ch.State()}}
	go h.follow(s.ch)
	synctest.Wait()
	return h
}

func (h *history) follow(ch *Channel) {
	for last := h.seen[0]; last != Shutdown; {
		ch.WaitForStateChange(context.Background(), last)
		if now := ch.State(); now != last { // it may have changed back
			h.mu.Lock()
			h.seen = append(h.seen, now)
			h.mu.Unlock()
			last = now
		}
	}
}

func (s *scene) wantHistory(why string, h *history, want ...State) {
	s.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.seen, want) {
		s.Fatalf("%s: the states were %v; want %v", why, h.seen, want)
	}
}

func TestStateNames(t *testing.T) {
	for state, want := range map[State]string{
		Idle: "IDLE", Connecting: "CONNECTING", Ready: "READY", TransientFailure: "TRANSIENT_FAILURE",
		Shutdown: "SHUTDOWN", 9: "State(9)",
	} {
		if got := state.String(); got != want {
			t.Errorf("State %d is %q; want %q", uint8(state), got, want)
		}
	}
}

func TestCreationDoesNotConnect(t *testing.T) {
	play(t, func(s *scene) {
		s.advance(time.Hour)
		s.wantDials("nobody asked for a connection")
		s.wantState("nobody asked for a connection", Idle)
	})
}

func TestStatesFromIdleToShutdown(t *testing.T) {
	play(t, func(s *scene) {
		seen := s.history()
		s.ch.Connect()
		s.wantState("the server has not greeted", Connecting)
		p := s.server("Connect connects")
		s.wantHistory("ready with the first SETTINGS", seen, Idle, Connecting, Ready)
		s.advance(lasting)
		p.WriteGoAway(0, http2.ErrCodeNo, "bye")
		s.wantHistory("GOAWAY takes the connection away", seen, Idle, Connecting, Ready, Idle)
		s.advance(time.Hour)
		s.wantDials("idle means that nobody wants a connection", 0)

		s.ch.Connect()
		p = s.server("Connect connects again")
		s.advance(lasting)
		p.Close()
		s.wantHistory("a lost connection leads to Idle", seen, Idle, Connecting, Ready, Idle, Connecting, Ready, Idle)
		s.ch.Close()
		s.wantHistory("Close is the end", seen,
			Idle, Connecting, Ready, Idle, Connecting, Ready, Idle, Shutdown)
		s.ch.Connect()
		s.wantState("Shutdown is terminal", Shutdown)
	})
}

func TestTransientFailureIsStickyUntilReady(t *testing.T) {
	play(t, func(s *scene) {
		s.onDial(func(context.Context) error {
			time.Sleep(time.Millisecond) // fake clock; CONNECTING lasts long enough to be seen
			return nil
		})
		seen := s.history()
		s.net.Refuse(syscall.ECONNREFUSED)
		s.ch.Connect()
		s.advance(time.Millisecond)
		s.wantHistory("the attempt failed", seen, Idle, Connecting, TransientFailure)
		s.advance(3 * time.Second)
		s.wantDials("delays of 1 s and 1.6 s", 0, time.Second, 2600*time.Millisecond)
		s.wantHistory("further attempts do not show", seen, Idle, Connecting, TransientFailure)
		s.net.Refuse(nil)
		s.advance(3 * time.Second)
		s.server("the server came up")
		s.wantHistory("connected", seen, Idle, Connecting, TransientFailure, Ready)
	})
}

// gRPC connection-backoff.md: the delay runs from the start of the attempt.
func TestBackoffRunsFromTheStartOfTheAttempt(t *testing.T) {
	play(t, func(s *scene) {
		s.onDial(func(context.Context) error {
			time.Sleep(700 * time.Millisecond) // fake clock
			return errors.New("no route")
		})
		s.ch.Connect()
		s.advance(10 * time.Second)
		s.wantDials("the 0.7 s of the attempt count", 0, time.Second, 2600*time.Millisecond, 5160*time.Millisecond,
			9256*time.Millisecond)
	})
}

// hang is a dial that is never answered.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAttemptThatOutlastsItsBackoffIsFollowedAtOnce(t *testing.T) {
	play(t, func(s *scene) {
		s.onDial(hang)
		s.ch.Connect()
		s.advance(41 * time.Second)
		s.wantDials("an attempt gets 20 s", 0, 20*time.Second, 40*time.Second)
		s.wantState("no attempt succeeded", TransientFailure)
	})
}

// An attempt is given as long as the delay that follows it, if that is longer.
func TestLateAttemptsGetMoreTime(t *testing.T) {
	b := Backoff{Jitter: -1, Initial: 30 * time.Second, Multiplier: 2}
	play(t, func(s *scene) {
		began, givenUp := time.Now(), make(chan time.Duration, 2)
		s.onDial(func(ctx context.Context) error {
			err := hang(ctx)
			givenUp <- time.Since(began)
			return err
		})
		s.ch.Connect()
		s.advance(100 * time.Second)
		s.wantDials("30 s, then 60 s", 0, 30*time.Second, 90*time.Second)
		for _, want := range []time.Duration{30 * time.Second, 90 * time.Second} {
			if got := <-givenUp; got != want {
				s.Errorf("an attempt ended after %v; want %v", got, want)
			}
		}
	}, WithBackoff(b))
}

func TestServerThatNeverGreets(t *testing.T) {
	for name, want := range map[string]struct {
		timeout time.Duration
		after   time.Duration
		words   string
	}{
		"handshake time-out":       {5 * time.Second, 5 * time.Second, "no HTTP/2 handshake within 5s"},
		"connection attempt's end": {-1, 20 * time.Second, "no HTTP/2 SETTINGS from server within 20s"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				r := s.unary(s.Context(), "x")
				s.accept("the call connects")
				s.advance(want.after - time.Millisecond)
				s.wantPending("there is time left", r)
				s.advance(2 * time.Second) // also past LingerTimeout
				s.wantFailed("time is up", r, cqrpc.CodeUnavailable, want.words)
			}, WithTransport(transport.Config{HandshakeTimeout: want.timeout}))
		})
	}
}

func TestResetBackoff(t *testing.T) {
	play(t, func(s *scene) {
		s.net.Refuse(syscall.ECONNREFUSED)
		s.ch.Connect()
		s.advance(20 * time.Second)
		before := s.attempts()
		s.ch.ResetBackoff()
		s.wantDials("at once", append(before, 20*time.Second)...)
		s.advance(time.Second)
		s.wantDials("delays begin anew", append(before, 20*time.Second, 21*time.Second)...)
	})
}

func TestResetBackoffWithoutBackoffIsNotSavedUp(t *testing.T) {
	play(t, func(s *scene) {
		s.ch.ResetBackoff()
		s.net.Refuse(syscall.ECONNREFUSED)
		s.ch.Connect()
		s.advance(1500 * time.Millisecond)
		s.wantDials("the delays are whole", 0, time.Second)
	})
}

func TestWaitForStateChange(t *testing.T) {
	play(t, func(s *scene) {
		if !s.ch.WaitForStateChange(s.Context(), Ready) {
			s.Error("Idle differs from Ready already")
		}
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		if s.ch.WaitForStateChange(ctx, Idle) {
			s.Error("nothing changed")
		}
		if n := len(s.ch.watch.watchers); n != 0 {
			s.Errorf("%d watchers are left", n)
		}
		s.wantDials("a watch does not connect")
	})
}

func TestNotifyOnStateChange(t *testing.T) {
	play(t, func(s *scene) {
		q := cq.New()
		defer q.Close(context.Background())
		notify := func(seen State, deadline time.Time, tag cq.Tag) {
			s.Helper()
			if err := s.ch.NotifyOnStateChange(seen, deadline, q, tag); err != nil {
				s.Fatal("NotifyOnStateChange:", err)
			}
		}
		notify(Ready, time.Now().Add(-time.Hour), "differs")
		s.wantEvent("it differs already, whatever the deadline", q, "differs", true)
		notify(Idle, time.Now().Add(-time.Hour), "late")
		s.wantEvent("the deadline has passed", q, "late", false)
		notify(Idle, time.Now().Add(time.Minute), "deadline")
		notify(Idle, time.Now().Add(time.Hour), "change")
		notify(Idle, time.Time{}, "endless")
		s.wantNoEvent("nothing changed", q)
		s.advance(time.Minute)
		s.wantEvent("its deadline", q, "deadline", false)
		s.wantNoEvent("only that one's", q)
		s.connected()
		s.wantEvent("left Idle", q, "change", true)
		s.wantEvent("left Idle", q, "endless", true)
		s.advance(2 * time.Hour)
		s.wantNoEvent("each tag comes once", q)
		s.ch.Connect()
		s.server("to be at rest")
		notify(Ready, time.Time{}, "shutdown")
		s.ch.Close()
		s.wantEvent("Close changes the state", q, "shutdown", true)
	})
}

// A loop that watches the state comes to watch Shutdown in the end: that watch ends, or the queue
// never would.
func TestNotifyAfterShutdown(t *testing.T) {
	play(t, func(s *scene) {
		q := cq.New()
		s.ch.Close()
		if err := s.ch.NotifyOnStateChange(Shutdown, time.Time{}, q, 1); err != nil {
			s.Fatal(err)
		}
		s.wantEvent("no state follows", q, 1, false)
		q.Shutdown()
		if ev := q.Next(s.Context()); ev.Kind != cq.Shutdown {
			s.Errorf("the event is %+v; want Shutdown", ev)
		}
	})
}

func TestNotifyOnStateChangeOnFinishedQueue(t *testing.T) {
	play(t, func(s *scene) {
		q := cq.New()
		q.Shutdown()
		if err := s.ch.NotifyOnStateChange(Idle, time.Time{}, q, 1); !errors.Is(err, cq.ErrShutdown) {
			s.Errorf("NotifyOnStateChange = %v; want %v", err, cq.ErrShutdown)
		}
	})
}

// A queue is not finished before its watches are, as in C-core.
func TestNotifyOnStateChangeOutlivesQueueShutdown(t *testing.T) {
	play(t, func(s *scene) {
		q := cq.New()
		if err := s.ch.NotifyOnStateChange(Idle, time.Time{}, q, 1); err != nil {
			s.Fatal(err)
		}
		q.Shutdown()
		s.wantNoEvent("the watch is outstanding", q)
		s.ch.Connect()
		s.wantEvent("it ends", q, 1, true)
		if ev := q.Next(s.Context()); ev.Kind != cq.Shutdown {
			s.Errorf("the event is %+v; want Shutdown", ev)
		}
	})
}

func TestAwaitReady(t *testing.T) {
	play(t, func(s *scene) {
		done := make(chan error, 1)
		go func() { done <- s.ch.AwaitReady(context.Background()) }()
		s.server("AwaitReady connects")
		if err := <-done; err != nil {
			s.Error("AwaitReady:", err)
		}
		if err := s.ch.AwaitReady(s.Context()); err != nil {
			s.Error("AwaitReady of a ready channel:", err)
		}
	})
}

func TestAwaitReadySaysWhyNot(t *testing.T) {
	play(t, func(s *scene) {
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		s.net.Refuse(syscall.ECONNREFUSED)
		err := s.ch.AwaitReady(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, syscall.ECONNREFUSED) {
			s.Errorf("AwaitReady = %v; want the deadline and the refusal", err)
		}
		if err != nil && !strings.Contains(err.Error(), "mem.test:50051") {
			s.Errorf("AwaitReady = %q; want the address in it", err)
		}
		s.ch.Close()
		if err := s.ch.AwaitReady(s.Context()); !errors.Is(err, ErrChannelClosed) {
			s.Errorf("AwaitReady of a closed channel = %v", err)
		}
	})
}

func TestAwaitReadyWithNothingToSay(t *testing.T) {
	play(t, func(s *scene) {
		s.onDial(hang)
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		if err := s.ch.AwaitReady(ctx); err != context.DeadlineExceeded {
			s.Errorf("AwaitReady = %v; no attempt has failed yet", err)
		}
	})
}

func TestAwaitReadyEndsWithClose(t *testing.T) {
	play(t, func(s *scene) {
		done := make(chan error, 1)
		go func() { done <- s.ch.AwaitReady(context.Background()) }()
		s.accept("it connects")
		s.ch.Close()
		if err := <-done; !errors.Is(err, ErrChannelClosed) {
			s.Errorf("AwaitReady = %v; want %v", err, ErrChannelClosed)
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		r := s.unary(s.Context(), "a")
		wantCall(p, "on the connection", 1, unaryMethod.Name, "a")
		s.advance(time.Hour)
		s.wantState("a call is in progress", Ready)
		answer(p, 1, "b")
		s.wantOK("answered", r, "b")
		s.advance(2*time.Minute + time.Second)
		s.wantState("nobody called for long", Idle)
		p.WantGoAway("the client leaves in order", http2.ErrCodeNo)
		p.WantClosed("and hangs up")
		s.advance(time.Hour)
		s.wantDials("idle is idle", 0)

		r = s.unary(s.Context(), "c")
		p = s.server("a call ends idleness")
		wantCall(p, "on the new connection", 1, unaryMethod.Name, "c")
		answer(p, 1, "d")
		s.wantOK("answered", r, "d")
	}, WithIdleTimeout(time.Minute))
}

// Without calls a channel does not dial for ever, whether dials fail or hang; a call that waits
// counts as use.
func TestIdleTimeoutWithoutConnection(t *testing.T) {
	fails := func(context.Context) error { return errors.New("nobody is there") }
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, dial := range map[string]func(context.Context) error{"fails": fails, "hangs": hangs} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				s.onDial(dial)
				ctx, cancel := context.WithCancel(s.Context())
				r := s.unary(ctx, "a", WithWaitForReady(true))
				s.advance(time.Hour)
				s.wantPending("it waits", r)
				if got := s.ch.State(); got == Idle {
					s.Errorf("a call waits: %v", got)
				}
				cancel()
				s.wantFailed("cancelled", r, cqrpc.CodeCanceled)
				s.advance(2*time.Minute + time.Second)
				s.wantState("nobody called for long", Idle)
				tried := len(s.attempts())
				s.advance(time.Hour)
				if n := len(s.attempts()); n != tried {
					s.Errorf("idle is idle: dialled %d times", n-tried)
				}

				s.onDial(nil)
				r = s.unary(s.Context(), "c", WithWaitForReady(true))
				p := s.server("a call ends idleness")
				wantCall(p, "sent", 1, unaryMethod.Name, "c")
				answer(p, 1, "d")
				s.wantOK("answered", r, "d")
			}, WithIdleTimeout(time.Minute))
		})
	}
}

// A connection that was not needed is no failure, however short its life.
func TestIdlenessIsNoFailure(t *testing.T) {
	play(t, func(s *scene) {
		for i := range 4 {
			r := s.unary(s.Context(), "a")
			p := s.server("at once")
			wantCall(p, "sent", 1, unaryMethod.Name, "a")
			answer(p, 1, "b")
			s.wantOK("answered", r, "b")
			s.advance(200 * time.Millisecond)
			s.wantState(fmt.Sprint("idle ", i), Idle)
		}
	}, WithIdleTimeout(100*time.Millisecond))
}

func TestIdleTimeoutOff(t *testing.T) {
	play(t, func(s *scene) {
		s.connected()
		s.advance(24 * time.Hour)
		s.wantState("never idle", Ready)
	}, WithIdleTimeout(-1))
}

func TestChannelString(t *testing.T) {
	play(t, func(s *scene) {
		if got := s.ch.String(); got != "channel{mem.test:50051 IDLE waiting=0 calls=0}" {
			s.Errorf("String() = %q, of a channel that has neither a connection nor an error", got)
		}
		s.connected()
		got := s.ch.String()
		for _, w := range []string{"mem.test:50051", "READY", "waiting=0", "calls=0", "conn{client"} {
			if !strings.Contains(got, w) {
				s.Errorf("String() = %q; want %q in it", got, w)
			}
		}
		if got := s.ch.Target(); got != "mem.test:50051" {
			s.Errorf("Target() = %q", got)
		}
	})
}
