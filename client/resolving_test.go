package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client/resolver"
	"github.com/cqrpc/cqrpc/transport"
)

// watching is a resolver of a test's: what each call of it does.
type watching func(ctx context.Context, w *resolver.Watch) error

func (f watching) Watch(ctx context.Context, w *resolver.Watch) error { return f(ctx, w) }

// at are addresses of a fakeNetwork.
func at(hosts ...string) []resolver.Address {
	all := make([]resolver.Address, len(hosts))
	for i, host := range hosts {
		all[i] = resolver.Address{Addr: net.JoinHostPort(host, "50051")}
	}
	return all
}

// report has all that follows from a report happen.
func (s *scene) report(names *resolver.Manual, addresses []resolver.Address, err error) {
	names.Report(addresses, err)
	synctest.Wait()
}

// policies runs a test with each of the policies.
func policies(t *testing.T, test func(t *testing.T, balanced Option)) {
	t.Helper()
	for _, b := range []Balancing{PickFirst, RoundRobin, LeastRequest} {
		t.Run(b.String(), func(t *testing.T) { test(t, WithBalancing(b)) })
	}
}

// The name is watched while the channel is not idle, and by one call at a time.
func TestWatchLastsUntilIdleOrClose(t *testing.T) {
	policies(t, func(t *testing.T, balanced Option) {
		w := newNetwork()
		w.build(three...)
		var mu sync.Mutex
		begun, ended := 0, 0
		count := func(n *int) {
			mu.Lock()
			defer mu.Unlock()
			*n++
		}
		want := func(s *scene, why string, wantBegun, wantEnded int) {
			s.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if begun != wantBegun || ended != wantEnded {
				s.Fatalf("%s: %d watches have begun, %d ended; want %d, %d", why, begun, ended, wantBegun, wantEnded)
			}
		}
		r := watching(func(ctx context.Context, w *resolver.Watch) error {
			count(&begun)
			defer count(&ended)
			if got := w.Target(); got != "mem.test:50051" {
				t.Errorf("the target is %q", got)
			}
			w.Report(at(three...), nil)
			<-ctx.Done()
			return ctx.Err()
		})
		w.play(t, func(s *scene) {
			want(s, "nobody has called", 0, 0)
			s.wantOK("a call", s.unary(s.Context(), "a"), "a")
			want(s, "a call", 1, 0)
			s.advance(3 * time.Minute)
			s.wantState("nobody calls", Idle)
			want(s, "nobody calls", 1, 1)
			s.wantOK("a call", s.unary(s.Context(), "b"), "b")
			want(s, "again", 2, 1)
			s.ch.Close()
			want(s, "closed", 2, 2)
		}, balanced, WithResolver(r), WithIdleTimeout(time.Minute))
	})
}

// Before there are addresses calls wait, then an error is theirs; afterwards the addresses stay.
func TestResolverErrors(t *testing.T) {
	policies(t, func(t *testing.T, balanced Option) {
		w := newNetwork()
		w.build(three...)
		names := new(resolver.Manual)
		w.play(t, func(s *scene) {
			first := s.unary(s.Context(), "a")
			patient := s.unary(s.Context(), "b", WithWaitForReady(true))
			s.advance(time.Minute)
			s.wantPending("nothing is known", first)
			s.wantState("nothing is known", Connecting)
			cause := errors.New("the registry is down")
			s.report(names, at(three...), cause)
			s.wantFailed("nothing is known but that", first, cqrpc.CodeUnavailable,
				"resolve mem.test:50051: the registry is down")
			if !errors.Is(first.err, cause) {
				s.Errorf("the error does not wrap its cause: %v", first.err)
			}
			s.wantState("nothing is known but that", TransientFailure)
			s.wantFailed("at once", s.unary(s.Context(), "c"), cqrpc.CodeUnavailable, "the registry is down")
			s.wantPending("it waits for ready", patient)
			s.report(names, at(three...), nil)
			s.wantOK("it has waited", patient, "b")
			s.report(names, nil, errors.New("down again"))
			s.wantOK("the addresses stay", s.unary(s.Context(), "d"), "d")
			s.advance(time.Hour)
			s.wantOK("they stay", s.unary(s.Context(), "e"), "e")
			if len(w.lookups) > 0 {
				s.Error("DNS was asked")
			}
		}, balanced, WithResolver(names))
	})
}

// An empty list is known: there is no server. Calls in progress go on.
func TestEmptyList(t *testing.T) {
	policies(t, func(t *testing.T, balanced Option) {
		w := newNetwork()
		hosts := w.build(three...)
		names := new(resolver.Manual)
		w.play(t, func(s *scene) {
			s.report(names, nil, nil)
			s.wantFailed("from the beginning", s.unary(s.Context(), "a"), cqrpc.CodeUnavailable,
				"resolve mem.test:50051: the name has no addresses")
			s.report(names, at("192.0.2.1"), nil)
			s.wantState("there is one", Ready)
			stream := s.bidiStream()
			s.report(names, []resolver.Address{}, nil)
			s.wantState("it is gone", TransientFailure)
			s.wantFailed("it is gone", s.unary(s.Context(), "b"), cqrpc.CodeUnavailable, "no addresses")
			patient := s.unary(s.Context(), "c", WithWaitForReady(true))
			s.wantAlive("its call goes on", stream)
			stream.Close()
			s.advance(lasting)
			s.wantConns("the call has ended", hosts, 0, 0, 0)
			s.report(names, nil, errors.New("and now we do not even know"))
			s.wantFailed("that is newer", s.unary(s.Context(), "d"), cqrpc.CodeUnavailable, "not even know")
			s.wantPending("it waits for ready", patient)
			s.report(names, at("192.0.2.2"), nil)
			s.wantOK("there is another", patient, "c")
			s.wantConns("there is another", hosts, 0, 1, 0)
		}, balanced, WithResolver(names))
	})
}

// pick_first keeps its connection while the address is in the list, wherever; else it moves.
func TestPickFirstFollowsTheList(t *testing.T) {
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newNetwork()
			hosts := w.build(three...)
			names := new(resolver.Manual)
			names.Report(at(three[:2]...), nil)
			w.play(t, func(s *scene) {
				s.ready()
				s.wantConns("the first", hosts, n, 0, 0)
				streams := s.bidiStreams(n)
				s.report(names, at("192.0.2.3", "192.0.2.2", "192.0.2.1", "192.0.2.3"), nil)
				s.wantConns("it is still there", hosts, n, 0, 0)
				s.report(names, at("192.0.2.3", "192.0.2.2"), nil)
				s.wantConns("beside the old one", hosts, n, 0, n)
				for _, stream := range streams {
					s.wantAlive("calls go on", stream)
				}
				s.wantTurns("at the new one", hosts, 0, 0, 6)
				for _, stream := range streams {
					stream.Close()
				}
				s.advance(lasting)
				s.wantConns("the calls have ended", hosts, 0, 0, n)
				s.advance(time.Hour)
				s.wantTurns("all is well", hosts, 0, 0, 6)
			}, WithResolver(names), WithConnections(n), WithIdleTimeout(-1))
		})
	}
}

// A list that comes while there is no connection is tried at once, without the back-off of the list
// before it.
func TestPickFirstTriesTheNewList(t *testing.T) {
	for name, at1 := range map[string]func(net.Conn){
		"while it connects": silence, "during the back-off": nil,
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork()
			w.build(three...)
			w.serve("192.0.2.1", at1)
			names := new(resolver.Manual)
			names.Report(at("192.0.2.1"), nil)
			w.play(t, func(s *scene) {
				waits := s.unary(s.Context(), "a", WithWaitForReady(true))
				s.advance(100 * time.Millisecond)
				s.report(names, at("192.0.2.2", "192.0.2.3"), nil)
				s.wantOK("moved", waits, "a")
				s.wantTried("at once", w, "192.0.2.1@0", "192.0.2.2@100")
				s.advance(time.Minute)
				w.wantOpen(s.T, "the first attempt was given up", 1)
			}, WithResolver(names))
		})
	}
}

// All addresses of a list fail: the error tells of each, and the target as it was given.
func TestPickFirstFailsAtAllOfTheList(t *testing.T) {
	w := newNetwork()
	w.serve("192.0.2.1", nil)
	w.serve("192.0.2.2", nil)
	names := new(resolver.Manual)
	names.Report(at("192.0.2.1", "192.0.2.2"), nil)
	w.play(t, func(s *scene) {
		s.wantFailed("none works", s.unary(s.Context(), "a"), cqrpc.CodeUnavailable,
			"none of the 2 addresses of mem.test:50051", "192.0.2.1:50051", "192.0.2.2:50051")
		s.report(names, at("192.0.2.1"), nil)
		s.wantState("it does not work either", TransientFailure)
		s.wantFailed("one is left", s.unary(s.Context(), "a"), cqrpc.CodeUnavailable, "dial 192.0.2.1:50051")
	}, WithResolver(names))
}

// A connection that is lost is made again, with the list as it is now.
func TestPickFirstReconnects(t *testing.T) {
	w := newNetwork()
	hosts := w.build(three...)
	names := new(resolver.Manual)
	names.Report(at(three...), nil)
	w.play(t, func(s *scene) {
		s.ready()
		s.report(names, at("192.0.2.2", "192.0.2.1"), nil)
		s.wantConns("it is still there", hosts, 1, 0, 0)
		hosts[0].disturb((*transport.Conn).Drain)
		s.wantConns("the first of the new list", hosts, 0, 1, 0)
		s.advance(lasting)
		hosts[1].disturb((*transport.Conn).Close)
		s.wantConns("the same", hosts, 0, 1, 0)
	}, WithResolver(names))
}

// round_robin keeps what stays, connects to what is new and drains what is gone.
func TestRoundRobinFollowsTheList(t *testing.T) {
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newNetwork()
			hosts := w.build(three...)
			names := new(resolver.Manual)
			names.Report(at("192.0.2.2", "192.0.2.1", "192.0.2.2"), nil)
			w.play(t, func(s *scene) {
				s.ready()
				s.wantConns("each once", hosts, n, n, 0)
				s.wantTurns("in turns", hosts, 6, 6, 0)
				streams := s.bidiStreams(2 * n)
				seen := s.history()
				s.report(names, at("192.0.2.3", "192.0.2.2"), nil)
				s.wantConns("the old ones have calls", hosts, n, n, n)
				s.wantTurns("in turns", hosts, 0, 6, 6)
				for _, stream := range streams {
					s.wantAlive("calls go on", stream)
					stream.Close()
				}
				s.advance(lasting)
				s.wantConns("the calls have ended", hosts, 0, n, n)
				s.wantHistory("nobody noticed", seen, Ready)
				if n := len(w.triedYet()); n != 3*s.ch.cfg.connections {
					s.Errorf("dialed %d times: %v", n, w.triedYet())
				}
			}, WithResolver(names), WithBalancing(RoundRobin), WithConnections(n))
		})
	}
}

// All addresses change at once: calls wait for the new ones, and none fails.
func TestAllAddressesChange(t *testing.T) {
	policies(t, func(t *testing.T, balanced Option) {
		w := newNetwork()
		hosts := w.build(three...)
		w.serve("192.0.2.3", func(nc net.Conn) {
			time.Sleep(time.Second) // fake clock
			hosts[2].serve(nc)
		})
		names := new(resolver.Manual)
		names.Report(at(three[:2]...), nil)
		w.play(t, func(s *scene) {
			s.ready()
			stream := s.bidiStream()
			s.report(names, at("192.0.2.3"), nil)
			r := s.unary(s.Context(), "a")
			s.wantPending("the new one is being connected", r)
			s.wantAlive("meanwhile", stream)
			s.advance(time.Second)
			s.wantOK("connected", r, "a")
			s.wantAlive("still", stream)
			stream.Close()
		}, balanced, WithResolver(names))
	})
}

// A list like the one before it is no news.
func TestSameListChangesNothing(t *testing.T) {
	policies(t, func(t *testing.T, balanced Option) {
		w := newNetwork()
		w.build(three...)
		var report func([]resolver.Address, error)
		r := watching(func(ctx context.Context, w *resolver.Watch) error {
			w.Report(at(three...), nil)
			report = w.Report
			<-ctx.Done()
			return nil
		})
		w.play(t, func(s *scene) {
			s.ready()
			seq, p := s.ch.balancer.(*rotation).seq, s.picker()
			report(at(append(three, three[0])...), nil)
			report(resolver.Addresses("192.0.2.1:50051", "192.0.2.2:50051", "192.0.2.3:50051"), nil)
			if now := s.ch.balancer.(*rotation).seq; now != seq || s.picker() != p {
				s.Errorf("%d updates", now-seq)
			}
			report(nil, errors.New("unknown"))
			report(at(three...), nil)
			s.advance(time.Minute)
			s.wantState("known again", Ready)
			if s.ch.balancer.(*rotation).obstacle != nil {
				s.Error("the error was not forgotten")
			}
		}, balanced, WithResolver(r))
	})
}

// A resolver that watches is told that the addresses may have changed, as often as one that is asked.
func TestResolverIsTold(t *testing.T) {
	w := newNetwork()
	hosts := w.build(three...)
	var mu sync.Mutex
	var hints []time.Duration
	r := watching(func(ctx context.Context, watch *resolver.Watch) error {
		watch.Report(at(three...), nil)
		for {
			select {
			case <-watch.ResolveNow():
				mu.Lock()
				hints = append(hints, time.Since(w.born))
				mu.Unlock()
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	w.play(t, func(s *scene) {
		want := func(why string, want ...time.Duration) {
			s.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(hints, want) {
				s.Fatalf("%s: the resolver was told at %v; want %v", why, hints, want)
			}
		}
		s.ready()
		want("all is well")
		hosts[0].disturb((*transport.Conn).Close)
		hosts[1].disturb((*transport.Conn).Close)
		s.advance(28*time.Second - time.Millisecond)
		want("too soon")
		s.advance(time.Millisecond)
		want("30 s have passed", 30*time.Second)
		w.serve("192.0.2.2", nil)
		hosts[1].disturb((*transport.Conn).Close)
		s.advance(30*time.Second - time.Millisecond)
		want("too soon", 30*time.Second)
		s.advance(time.Millisecond)
		want("it fails again and again", 30*time.Second, time.Minute)
		s.ch.balancer.idle()
		s.advance(time.Hour)
		want("it is idle", 30*time.Second, time.Minute)
	}, WithResolver(r), WithBalancing(RoundRobin))
}

// asked is a resolver that is asked, and notes when.
type asked struct {
	mu sync.Mutex
	// guarded by mu
	born   time.Time
	times  []time.Duration
	answer func() ([]resolver.Address, error)
}

func (a *asked) resolve(_ context.Context, name string) ([]resolver.Address, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if name != "mem.test:50051" {
		return nil, fmt.Errorf("asked for %q", name)
	}
	a.times = append(a.times, time.Since(a.born))
	return a.answer()
}

func (a *asked) say(addresses []resolver.Address, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = func() ([]resolver.Address, error) { return addresses, err }
}

func (a *asked) want(s *scene, why string, want ...time.Duration) {
	s.Helper()
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.times, want) {
		s.Fatalf("%s: asked at %v; want %v", why, a.times, want)
	}
}

// A connection that is given up for another address is none that was lost.
func TestMoveIsNoLoss(t *testing.T) {
	w := newNetwork()
	hosts := w.build(three...)
	a := new(asked)
	a.say(at("192.0.2.1"), nil)
	w.play(t, func(s *scene) {
		a.born = time.Now()
		s.ready()
		s.advance(time.Minute)
		a.say(at("192.0.2.2"), nil)
		r := s.ch.balancer.(*rotation)
		r.lookup.ask()
		s.wantConns("moved", hosts, 0, 1, 0)
		s.advance(time.Hour)
		a.want(s, "all is well", 0, time.Minute+lasting)
	}, WithResolver(resolver.Func(a.resolve)), WithIdleTimeout(-1))
}

// A function is asked at first, with back-off while there is nothing, and when connections are lost;
// between that there is no goroutine.
func TestFuncIsAsked(t *testing.T) {
	policies(t, func(t *testing.T, balanced Option) {
		w := newNetwork()
		hosts := w.build(three...)
		a := new(asked)
		a.say(nil, errors.New("not yet"))
		w.play(t, func(s *scene) {
			a.born = time.Now()
			s.wantFailed("nothing is known", s.unary(s.Context(), "a"), cqrpc.CodeUnavailable, "not yet")
			s.advance(time.Second)
			a.want(s, "the back-off", 0, time.Second)
			a.say(nil, nil)
			s.advance(1600 * time.Millisecond)
			a.want(s, "the back-off", 0, time.Second, 2600*time.Millisecond)
			s.wantFailed("an empty list", s.unary(s.Context(), "b"), cqrpc.CodeUnavailable, "no addresses")
			a.say(at("192.0.2.1", "192.0.2.2"), nil)
			s.ch.ResetBackoff()
			synctest.Wait()
			s.wantOK("there are some", s.unary(s.Context(), "c"), "c")
			want := []time.Duration{0, time.Second, 2600 * time.Millisecond, 2600 * time.Millisecond}
			a.want(s, "the back-off was cut short", want...)
			if s.ch.balancer.(*rotation).lookup.search != nil {
				s.Error("a goroutine waits for nothing")
			}
			a.say(at("192.0.2.3"), nil)
			s.advance(10 * time.Minute)
			a.want(s, "all is well", want...)
			hosts[0].disturb((*transport.Conn).Drain)
			a.want(s, "a connection was lost", append(want, 10*time.Minute+2600*time.Millisecond)...)
			s.advance(lasting)
			s.wantConns("moved", hosts, 0, 0, 1)
			s.wantTurns("moved", hosts, 0, 0, 3)
		}, balanced, WithResolver(resolver.Func(a.resolve)))
	})
}

// A function that does not answer is not waited for for ever.
func TestFuncTakesTooLong(t *testing.T) {
	w := newNetwork()
	w.play(t, func(s *scene) {
		r := s.unary(s.Context(), "a")
		s.advance(20*time.Second - time.Millisecond)
		s.wantPending("it may take 20 s", r)
		s.advance(time.Millisecond)
		s.wantFailed("20 s have passed", r, cqrpc.CodeUnavailable, "deadline exceeded")
	}, WithResolver(resolver.Func(func(ctx context.Context, _ string) ([]resolver.Address, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})))
}

// However a watch ends that should not have, there is another after the back-off, and the
// addresses stay.
func TestWatchEnds(t *testing.T) {
	var log lockedBuffer
	for name, tt := range map[string]struct {
		end   func() error
		words string
	}{
		"with an error":        {func() error { return errors.New("hung up") }, "hung up"},
		"without a report":     {func() error { return nil }, "has reported nothing"},
		"with a panic":         {func() error { panic("a secret") }, "panic in resolver"},
		"with its goroutine":   {func() error { runtime.Goexit(); return nil }, "ended its goroutine"},
		"with a panic of nil":  {func() error { panic(nil) }, "panic in resolver"}, //nolint:govet // that is the case
		"with a typed-nil one": {func() error { var e *cqrpc.Error; panic(e) }, "panic in resolver"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork()
			hosts := w.build(three...)
			var calls atomic.Int32
			var isBad atomic.Bool
			isBad.Store(true)
			r := watching(func(ctx context.Context, watch *resolver.Watch) error {
				calls.Add(1)
				if isBad.Load() {
					return tt.end()
				}
				watch.Report(at(three[:2]...), nil)
				select {
				case <-watch.ResolveNow():
				case <-ctx.Done():
				}
				isBad.Store(true)
				return tt.end()
			})
			w.play(t, func(s *scene) {
				r := s.unary(s.Context(), "a")
				s.wantFailed("it fails", r, cqrpc.CodeUnavailable, "resolve mem.test:50051", tt.words)
				if strings.Contains(r.err.Error(), "secret") {
					s.Errorf("the caller is told %v", r.err)
				}
				s.advance(time.Second - time.Millisecond)
				if n := calls.Load(); n != 1 {
					s.Errorf("%d calls before the back-off", n)
				}
				isBad.Store(false)
				s.advance(time.Millisecond)
				s.wantTurns("it is called again", hosts, 3, 3, 0)
				s.advance(time.Minute)
				calls.Store(0)
				hosts[0].disturb((*transport.Conn).Close)
				s.advance(10 * time.Second)
				if hasEnded := name != "without a report"; hasEnded == (calls.Load() == 0) { // which is no news now
					s.Errorf("it was called %d times more", calls.Load())
				}
				s.wantTurns("the addresses stay", hosts, 3, 3, 0)
				isBad.Store(false)
				s.advance(time.Minute)
				s.wantTurns("it works again", hosts, 3, 3, 0)
			}, WithResolver(r), WithBalancing(RoundRobin), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		})
	}
	for _, words := range []string{"panic in resolver", "a secret", "resolving_test.go"} {
		if !log.holds(words) {
			t.Errorf("the log has no %q", words)
		}
	}
}

// The back-off grows while watches end soon, and starts again after one that was good for long.
func TestBackoffOfWatches(t *testing.T) {
	w := newNetwork()
	w.build(three...)
	begun := make(chan time.Duration, 100)
	var lasts atomic.Int64
	r := watching(func(_ context.Context, watch *resolver.Watch) error {
		begun <- time.Since(w.born)
		watch.Report(at(three...), nil)
		time.Sleep(time.Duration(lasts.Load())) // fake clock
		return errors.New("hung up")
	})
	w.play(t, func(s *scene) {
		s.ch.Connect()
		s.advance(4 * time.Second)
		for _, want := range []time.Duration{0, time.Second, 2600 * time.Millisecond} {
			if got := <-begun; got != want {
				s.Errorf("a watch began at %v; want %v", got, want)
			}
		}
		lasts.Store(int64(time.Minute))
		s.advance(time.Minute)
		lasts.Store(0)
		s.advance(time.Minute)
		<-begun // it has failed once in the end
		for last, i := <-begun, 0; i < 3; i++ {
			next := <-begun
			want := time.Duration([]float64{1.6, 2.56, 4.096}[i] * float64(time.Second))
			if next-last != want {
				s.Errorf("delay %d is %v; want %v", i, next-last, want)
			}
			last = next
		}
	}, WithResolver(r))
}

// What a watch reports when it is over does not count.
func TestReportsThatAreLate(t *testing.T) {
	policies(t, func(t *testing.T, balanced Option) {
		var log lockedBuffer
		w := newNetwork()
		hosts := w.build(three...)
		var watches []*resolver.Watch
		r := watching(func(ctx context.Context, w *resolver.Watch) error {
			watches = append(watches, w)
			w.Report(at("192.0.2.1"), nil)
			if len(watches) > 1 {
				<-ctx.Done()
			}
			return nil
		})
		w.play(t, func(s *scene) {
			s.ready()
			watches[0].Report(at("192.0.2.2"), nil)
			s.wantConns("it has returned", hosts, 1, 0, 0)
			s.ch.balancer.idle()
			s.ready()
			watches[0].Report(nil, nil)
			s.wantTurns("it is over", hosts, 3, 0, 0)
			s.ch.Close()
			watches[1].Report(at("192.0.2.2"), nil)
			watches[1].Report(nil, errors.New("too late"))
			s.advance(time.Minute)
			s.wantConns("the channel is closed", hosts, 0, 0, 0)
			s.wantState("the channel is closed", Shutdown)
			if log.holds("too late") {
				s.Error("the log tells of it")
			}
		}, balanced, WithResolver(r), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	})
}

// Findings may overtake each other on their way, to the rotation and from there.
func TestFindingsOutOfOrder(t *testing.T) {
	policies(t, func(t *testing.T, balanced Option) {
		w := newNetwork()
		hosts := w.build(three...)
		names := new(resolver.Manual)
		names.Report(at("192.0.2.1"), nil)
		w.play(t, func(s *scene) {
			s.ready()
			r := s.ch.balancer.(*rotation)
			r.onFinding(r.lookup, finding{seq: 9, addresses: distinct(at("192.0.2.2"))})
			r.onFinding(r.lookup, finding{seq: 8, addresses: distinct(at("192.0.2.3"))})
			s.wantTurns("the ninth", hosts, 0, 3, 0)
			if got := r.addresses[0].Addr; got != "192.0.2.2:50051" {
				s.Errorf("the rotation is at %s", got)
			}
			if r.cfg.balancing.isToEach() {
				return // its members do not move
			}
			r.members[0].sub.move(8, distinct(at("192.0.2.3")))
			s.wantTurns("the ninth", hosts, 0, 3, 0)
			r.members[0].sub.retire()
			r.members[0].sub.move(10, distinct(at("192.0.2.3")))
			s.wantConns("it has ended", hosts, 0, 0, 0)
		}, balanced, WithResolver(names))
	})
}

// A resolver that takes long to fail has failed each time.
func TestBackoffOfSlowResolvers(t *testing.T) {
	w := newNetwork()
	begun := make(chan time.Duration, 10)
	r := watching(func(context.Context, *resolver.Watch) error {
		begun <- time.Since(w.born)
		time.Sleep(40 * time.Second) // fake clock
		return errors.New("timeout")
	})
	w.play(t, func(s *scene) {
		s.ch.Connect()
		s.advance(5 * time.Minute)
		for _, want := range []time.Duration{0, time.Minute, 156 * time.Second} {
			if got := <-begun; got != want {
				s.Errorf("called at %v; want %v", got, want)
			}
		}
	}, WithResolver(r), WithBackoff(Backoff{Initial: time.Minute, Jitter: -1}))
}

// A connection that is lost while the resolver is being asked may not be in its answer: it is
// asked again. Hints that were not given in time do no harm afterwards.
func TestResolverIsAskedMeanwhile(t *testing.T) {
	w := newNetwork()
	hosts := w.build(three...)
	begun := make(chan time.Duration, 10)
	var answer chan struct{}
	r := watching(func(_ context.Context, watch *resolver.Watch) error {
		begun <- time.Since(w.born)
		watch.Report(at(three...), nil)
		<-answer
		return nil
	})
	want := func(s *scene, why string, want ...time.Duration) {
		s.Helper()
		synctest.Wait()
		var got []time.Duration
		for len(begun) > 0 {
			got = append(got, <-begun)
		}
		if !slices.Equal(got, want) {
			s.Fatalf("%s: called at %v; want %v", why, got, want)
		}
	}
	w.play(t, func(s *scene) {
		answer = make(chan struct{}, 10) // of the bubble
		s.ready()
		hosts[0].disturb((*transport.Conn).Drain)
		answer <- struct{}{}
		want(s, "at first", 0)
		answer <- struct{}{}
		s.advance(time.Hour)
		want(s, "as soon as it may be", 30*time.Second)
		hosts[0].disturb((*transport.Conn).Drain)
		want(s, "and again", time.Hour+2*time.Second)
		answer <- struct{}{}
		s.advance(time.Hour)
		want(s, "all is well")
		answer <- struct{}{}
	}, WithResolver(r), WithBalancing(RoundRobin), WithIdleTimeout(-1))
}

// The dialer is given what the resolver has reported, of either network.
func TestResolverAndDialer(t *testing.T) {
	w := newNetwork()
	only := w.build("192.0.2.1")[0]
	var mu sync.Mutex
	var dialed []string
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		dialed = append(dialed, network+" "+address)
		mu.Unlock()
		return w.dial(ctx, "tcp", "192.0.2.1:50051")
	}
	names := new(resolver.Manual)
	names.Report(resolver.Addresses("unix:/run/a", "unix-abstract:b", "unix:///run/c", "d.example:1"), nil)
	w.play(t, func(s *scene) {
		s.ready()
		s.wantConns("to all", []*host{only}, 4)
		slices.Sort(dialed)
		want := []string{"tcp d.example:1", "unix /run/a", "unix /run/c", "unix @b"}
		if !slices.Equal(dialed, want) {
			s.Errorf("dialed %q; want %q", dialed, want)
		}
	}, WithResolver(names), WithBalancing(RoundRobin), WithDialer(dial))
}

// The target is the resolver's, whatever it looks like.
func TestTargetsOfResolvers(t *testing.T) {
	for _, tt := range []struct{ text, authority string }{
		{"etcd:///my-service", "my-service"},
		{"etcd://192.0.2.1:2379/my/service", "my%2Fservice"},
		{"consul://dc1/web:80?tag=a#b", "web:80"},
		{"x:///a%20b", "a%20b"},
		{"my service", "my%20service"},
		{"dns:///example.org:80", "example.org:80"},
		{"unix:/run/x", "unix:%2Frun%2Fx"},
		{"[::1]:80", "[::1]:80"},
		{"x://%zz/a", "x:%2F%2F%25zz%2Fa"},
	} {
		ch, err := NewChannel(tt.text, WithInsecure(), WithResolver(new(resolver.Manual)))
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if ch.Target() != tt.text || ch.Authority() != tt.authority {
			t.Errorf("%s: target %q, authority %q; want %q", tt.text, ch.Target(), ch.Authority(), tt.authority)
		}
		ch.Close()
	}
	for _, text := range []string{"", "etcd:///", "etcd://host"} {
		if ch, err := NewChannel(text, WithInsecure(), WithResolver(new(resolver.Manual))); err == nil {
			t.Errorf("%q: %v", text, ch)
		}
	}
	if ch, err := NewChannel("etcd:///x", WithInsecure(), WithResolver(nil)); err == nil {
		t.Errorf("without a resolver: %v", ch)
	}
}

// Lists change while calls are made, connections are lost and the channel is idled and closed: no
// call fails for that before the end.
func TestAddressesChangeDuringCalls(t *testing.T) {
	policies(t, func(t *testing.T, balanced Option) {
		w := newNetwork()
		hosts := w.build(three...)
		names := new(resolver.Manual)
		names.Report(at(three...), nil)
		reporting := watching(func(ctx context.Context, watch *resolver.Watch) error {
			var wg sync.WaitGroup
			for i := range 3 {
				wg.Go(func() {
					for n := i; n < 20; n++ {
						watch.Report(at(three[n%3], three[(n+i)%3]), nil)
						runtime.Gosched()
					}
				})
			}
			defer wg.Wait()
			return names.Watch(ctx, watch)
		})
		w.play(t, func(s *scene) {
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					for n := range 20 {
						b := []byte(fmt.Sprint(i, n))
						res, err := Unary(s.Context(), s.ch, unaryMethod, &b)
						if err != nil || string(*res) != string(b) {
							s.Errorf("call %d: %v", n, err)
							return
						}
					}
				})
			}
			wg.Go(func() {
				for range 5 {
					s.ch.balancer.idle()
					s.ch.ResetBackoff()
					s.ch.Connect()
					runtime.Gosched()
				}
			})
			wg.Wait()
			for _, h := range hosts {
				h.counted()
			}
			s.ch.Close()
		}, balanced, WithResolver(reporting))
	})
}
