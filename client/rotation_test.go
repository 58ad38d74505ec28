package client

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client/resolver"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/transport"
)

// host is a server at one address of a fakeNetwork: it echoes, and counts its calls.
type host struct {
	mu sync.Mutex
	// guarded by mu
	conns []*transport.Conn // that are open
	calls int               // since it was asked
}

// build puts a host at each address.
func (w *fakeNetwork) build(addresses ...string) []*host {
	hosts := make([]*host, len(addresses))
	for i, address := range addresses {
		hosts[i] = new(host)
		w.serve(address, hosts[i].serve)
	}
	return hosts
}

func (h *host) serve(nc net.Conn) {
	v := &visit{host: h}
	h.mu.Lock() // before anything comes in
	defer h.mu.Unlock()
	v.conn = transport.New(transport.Server, nc, transport.Config{}, v)
	h.conns = append(h.conns, v.conn)
}

// visit is one connection to a host.
type visit struct {
	echoHandler

	host *host
	conn *transport.Conn // guarded by host.mu
}

func (v *visit) OnStream(s *transport.Stream, f *frame.Headers, l *cq.Lane) {
	v.host.mu.Lock()
	v.host.calls++
	v.host.mu.Unlock()
	v.echoHandler.OnStream(s, f, l)
}

func (v *visit) OnClosed(error) {
	v.host.mu.Lock()
	defer v.host.mu.Unlock()
	v.host.conns = slices.DeleteFunc(v.host.conns, func(c *transport.Conn) bool { return c == v.conn })
}

// disturb ends the connections to the host, one way or another.
func (h *host) disturb(end func(*transport.Conn)) {
	synctest.Wait()
	h.mu.Lock()
	conns := slices.Clone(h.conns)
	h.mu.Unlock()
	for _, c := range conns {
		end(c)
	}
	synctest.Wait()
}

// counted is how many calls came since it was asked last.
func (h *host) counted() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.calls
	h.calls = 0
	return n
}

func (s *scene) wantConns(why string, hosts []*host, want ...int) {
	s.Helper()
	synctest.Wait()
	got := make([]int, len(hosts))
	for i, h := range hosts {
		h.mu.Lock()
		got[i] = len(h.conns)
		h.mu.Unlock()
	}
	if !slices.Equal(got, want) {
		s.Fatalf("%s: the hosts have %v connections; want %v", why, got, want)
	}
}

// wantTurns makes as many calls as are wanted altogether, one after the other, and wants each
// host to have got its share.
func (s *scene) wantTurns(why string, hosts []*host, want ...int) {
	s.Helper()
	n := 0
	for i, h := range hosts {
		h.counted()
		n += want[i]
	}
	for i := range n {
		s.wantOK(why, s.unary(s.Context(), fmt.Sprint(i)), fmt.Sprint(i))
	}
	got := make([]int, len(hosts))
	for i, h := range hosts {
		got[i] = h.counted()
	}
	if !slices.Equal(got, want) {
		s.Fatalf("%s: the hosts got %v calls; want %v", why, got, want)
	}
}

func (s *scene) bidiStreams(n int) []*BidiStreamCall[[]byte, []byte] {
	s.Helper()
	streams := make([]*BidiStreamCall[[]byte, []byte], n)
	for i := range streams {
		streams[i] = s.bidiStream()
	}
	return streams
}

// wantAlive wants the stream to be answered.
func (s *scene) wantAlive(why string, stream *BidiStreamCall[[]byte, []byte]) {
	s.Helper()
	if err := stream.Send(message("x")); err != nil {
		s.Fatalf("%s: Send: %v", why, err)
	}
	s.wantRecv(why, stream.Recv, "x")
}

// ready connects the channel and waits for all its connections.
func (s *scene) ready() {
	s.Helper()
	s.ch.Connect()
	s.advance(lasting)
	s.wantState("connected", Ready)
}

var three = []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}

// All addresses are connected to, and get the same number of calls, whatever the style of a call.
func TestRoundRobinTakesTurns(t *testing.T) {
	w := newNetwork(three...)
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		s.ch.Connect()
		s.wantState("connected", Ready)
		s.wantConns("to all, at once", hosts, 1, 1, 1)
		s.wantTurns("in turns", hosts, 20, 20, 20)
		streams := s.bidiStreams(6)
		for i, h := range hosts {
			if got := h.counted(); got != 2 {
				s.Errorf("host %d has %d of 6 streams", i, got)
			}
		}
		for _, stream := range streams {
			stream.Close()
		}
	}, WithBalancing(RoundRobin))
}

// gRPC load-balancing.md, round_robin: READY if one is, else CONNECTING if one is; only when all have
// failed the channel has, and then until one is READY.
func TestRoundRobinAggregatesStates(t *testing.T) {
	w := newNetwork(three...)
	for _, host := range three {
		w.serve(host, silence)
	}
	w.play(t, func(s *scene) {
		seen := s.history()
		w.serve("192.0.2.1", nil)
		waits := s.unary(s.Context(), "a")
		s.wantHistory("two have not failed", seen, Idle, Connecting)
		s.advance(20 * time.Second)
		s.wantHistory("all have", seen, Idle, Connecting, TransientFailure)
		s.wantFailed("all have", waits, cqrpc.CodeUnavailable, "none of the 3 addresses of mem.test:50051",
			"192.0.2.1:50051: connection refused", "192.0.2.2:50051: no HTTP/2 SETTINGS")
		if !errors.Is(waits.err, syscall.ECONNREFUSED) {
			s.Errorf("the error wraps not its causes: %v", waits.err)
		}
		waits = s.unary(s.Context(), "b", WithWaitForReady(true))
		s.wantFailed("fails at once", s.unary(s.Context(), "c"), cqrpc.CodeUnavailable, "none of the 3")
		s.advance(time.Minute)
		s.wantHistory("further attempts do not show", seen, Idle, Connecting, TransientFailure)
		s.wantPending("waits for ready", waits)
		w.build("192.0.2.3")
		s.advance(time.Minute)
		s.wantHistory("one is enough", seen, Idle, Connecting, TransientFailure, Ready)
		s.wantOK("it was ready", waits, "b")
		for _, host := range three {
			w.serve(host, nil)
		}
	}, WithBalancing(RoundRobin), WithTransport(transport.Config{HandshakeTimeout: -1}))
}

// A call goes to the server with fewer calls in progress, of two: with two, to that one always.
func TestLeastRequestEvensOut(t *testing.T) {
	two := three[:2]
	w := newNetwork(two...)
	hosts := w.build(two...)
	w.play(t, func(s *scene) {
		s.ready()
		streams := s.bidiStreams(20)
		if a, b := hosts[0].counted(), hosts[1].counted(); a != 10 || b != 10 {
			s.Fatalf("of 20 streams the hosts have %d and %d", a, b)
		}
		at := make(map[*BidiStreamCall[[]byte, []byte]]string)
		for _, stream := range streams {
			s.wantAlive("open", stream)
			at[stream] = stream.Peer().Addr.String()
		}
		first := at[streams[0]]
		for _, stream := range streams {
			if at[stream] == first {
				stream.Close()
			}
		}
		synctest.Wait()
		for range 10 {
			stream := s.bidiStream()
			defer stream.Close()
			s.wantAlive("another", stream)
			if got := stream.Peer().Addr.String(); got != first {
				s.Errorf("a stream goes to %s, which has 10 more than %s", got, first)
			}
		}
		for _, stream := range streams {
			stream.Close()
		}
	}, WithBalancing(LeastRequest))
}

// Of more than two, calls pass over the one that is busy.
func TestLeastRequestPassesOverTheBusyOne(t *testing.T) {
	w := newNetwork(three[0])
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		s.ready()
		streams := s.bidiStreams(3)
		w.move(three...)
		s.advance(time.Minute)
		s.wantConns("all", hosts, 1, 1, 1)
		for _, h := range hosts {
			h.counted()
		}
		for i := range 100 {
			s.wantOK("a call", s.unary(s.Context(), fmt.Sprint(i)), fmt.Sprint(i))
		}
		if got := hosts[0].counted(); got > 0 {
			s.Errorf("%d of 100 calls go to the busy one", got)
		}
		if a, b := hosts[1].counted(), hosts[2].counted(); a == 0 || b == 0 || a+b != 100 {
			s.Errorf("the others get %d and %d", a, b)
		}
		for _, stream := range streams {
			stream.Close()
		}
	}, WithBalancing(LeastRequest), WithLookupEvery(time.Minute))
}

// Calls on a connection that is lost fail; those that follow do not notice.
func TestRoundRobinPassesOverAServerThatDied(t *testing.T) {
	w := newNetwork(three...)
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		s.ready()
		seen := s.history()
		streams := s.bidiStreams(3)
		w.serve("192.0.2.2", nil)
		hosts[1].disturb((*transport.Conn).Close)
		failed := 0
		for _, stream := range streams {
			if err := stream.Send(message("x")); err == nil {
				s.wantRecv("its server lives", stream.Recv, "x")
			} else {
				_, err := stream.Recv()
				s.wantError("its server died", err, cqrpc.CodeUnavailable)
				failed++
			}
			stream.Close()
		}
		if failed != 1 {
			s.Errorf("%d of 3 streams failed; want that on the lost connection", failed)
		}
		s.wantTurns("the others take over", hosts, 10, 0, 10)
		s.advance(5 * time.Second)
		s.wantTurns("while it is tried in vain", hosts, 10, 0, 10)
		w.serve("192.0.2.2", hosts[1].serve)
		s.advance(time.Minute)
		s.wantTurns("it is back", hosts, 10, 10, 10)
		s.wantHistory("nobody noticed", seen, Ready)
	}, WithBalancing(RoundRobin))
}

// Calls go on after GOAWAY; a call that was not processed is repeated on another connection.
func TestRoundRobinAndGoAway(t *testing.T) {
	w := newNetwork(three...)
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		s.ready()
		seen := s.history()
		streams := s.bidiStreams(3)
		hosts[0].disturb((*transport.Conn).Drain)
		s.wantConns("the first has a new connection beside the old one", hosts, 2, 1, 1)
		for _, stream := range streams {
			s.wantAlive("calls go on", stream)
		}
		s.wantTurns("in turns", hosts, 10, 10, 10)
		for _, stream := range streams {
			stream.Close()
		}
		s.advance(lasting)
		s.wantConns("the old one has ended with its last call", hosts, 1, 1, 1)
		s.wantHistory("nobody noticed", seen, Ready)
	}, WithBalancing(RoundRobin))
}

func TestRoundRobinWithAllLost(t *testing.T) {
	w := newNetwork(three...)
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		s.ready()
		for i, h := range hosts {
			w.serve(three[i], nil)
			h.disturb((*transport.Conn).Close)
		}
		s.wantState("no address is left", TransientFailure)
		seen := s.history()
		s.wantFailed("no address is left", s.unary(s.Context(), "a"), cqrpc.CodeUnavailable, "none of the 3")
		waits := s.unary(s.Context(), "b", WithWaitForReady(true))
		w.serve(three[2], hosts[2].serve)
		s.advance(2 * time.Second)
		s.wantOK("it is back", waits, "b")
		s.wantTurns("alone", hosts, 0, 0, 5)
		s.wantHistory("it is back", seen, TransientFailure, Ready)
	}, WithBalancing(RoundRobin))
}

// Between two connections there is no failure: the channel is CONNECTING, and calls wait.
func TestRoundRobinReconnects(t *testing.T) {
	w := newNetwork("192.0.2.1")
	hosts := w.build("192.0.2.1")
	w.play(t, func(s *scene) {
		s.ready()
		seen := s.history()
		w.serve("192.0.2.1", func(nc net.Conn) {
			time.Sleep(time.Second) // fake clock
			hosts[0].serve(nc)
		})
		hosts[0].disturb((*transport.Conn).Close)
		s.wantHistory("lost", seen, Ready, Connecting)
		r := s.unary(s.Context(), "a")
		s.wantPending("there is an attempt", r)
		s.advance(time.Second)
		s.wantOK("connected", r, "a")
		s.wantHistory("connected", seen, Ready, Connecting, Ready)
	}, WithBalancing(RoundRobin))
}

// When a connection is lost the name is resolved again: what is new is connected to, what is gone
// drains, what stays is left alone.
func TestRoundRobinFollowsTheName(t *testing.T) {
	w := newNetwork(three...)
	four := append(slices.Clone(three), "192.0.2.4")
	hosts := w.build(four...)
	w.play(t, func(s *scene) {
		s.ready()
		stays := s.bidiStreams(3)
		w.move("192.0.2.4", "192.0.2.3")
		s.advance(time.Hour)
		s.wantConns("nothing has happened", hosts, 1, 1, 1, 0)
		hosts[1].disturb((*transport.Conn).Drain)
		s.wantConns("the lost one tells of the change", hosts, 1, 1, 1, 1)
		s.wantTurns("in turns", hosts, 0, 0, 10, 10)
		for _, stream := range stays {
			s.wantAlive("calls go on", stream)
			stream.Close()
		}
		s.advance(lasting)
		s.wantConns("and have ended", hosts, 0, 0, 1, 1)
		for _, host := range []string{"192.0.2.3", "192.0.2.4"} {
			if n := strings.Count(strings.Join(w.triedYet(), " "), host+"@"); n != 1 {
				s.Errorf("%s was dialed %d times; want once", host, n)
			}
		}
	}, WithBalancing(RoundRobin))
}

// triedYet is what was tried.
func (w *fakeNetwork) triedYet() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.tried)
}

// A server that comes and goes does not make its clients resolve names all the time; names that cannot
// be resolved change nothing.
func TestRoundRobinLooksUpNotTooOften(t *testing.T) {
	w := newNetwork(three...)
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		s.ready()
		w.serve("192.0.2.1", nil)
		hosts[0].disturb((*transport.Conn).Close)
		w.wantLookups(s, "too soon", 0)
		s.advance(28*time.Second - time.Millisecond)
		w.wantLookups(s, "too soon", 0)
		s.advance(time.Millisecond)
		w.wantLookups(s, "30 s have passed", 0, 30*time.Second)
		w.move() // there is no such name any more
		s.advance(31 * time.Second)
		want := []time.Duration{0, 30 * time.Second, 60 * time.Second, 61 * time.Second}
		w.wantLookups(s, "then with the back-off, until it is found", want...)
		s.wantTurns("those that were found must do", hosts, 0, 5, 5)
		w.move(three[1:]...)
		s.ch.ResetBackoff()
		want = append(want, 61*time.Second)
		w.wantLookups(s, "at once", want...)
		s.advance(10 * time.Minute)
		if again := append(slices.Clip(want), 91*time.Second); w.lookedUp(again...) {
			want = again // the lost one had failed once more, and asked, before the answer was there
		}
		w.wantLookups(s, "all is well", want...)
		s.wantTurns("the lost one is forgotten", hosts, 0, 5, 5)
	}, WithBalancing(RoundRobin))
}

// Names that only get more addresses are noticed by the clock.
func TestLookupEvery(t *testing.T) {
	w := newNetwork(three[:2]...)
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		s.ready()
		w.move(three...)
		s.advance(time.Minute - lasting - time.Millisecond)
		s.wantConns("not yet", hosts, 1, 1, 0)
		s.advance(time.Millisecond)
		s.wantConns("a minute has passed", hosts, 1, 1, 1)
		s.advance(2 * time.Minute)
		want := []time.Duration{0, time.Minute, 2 * time.Minute, 3 * time.Minute}
		w.wantLookups(s, "again and again", want...)
		s.advance(40*time.Second - lasting)
		hosts[0].disturb((*transport.Conn).Close)
		s.advance(lasting)
		want = append(want, 3*time.Minute+40*time.Second-lasting)
		w.wantLookups(s, "a loss does not wait for the clock", want...)
		s.advance(time.Minute)
		want = append(want, want[4]+time.Minute)
		w.wantLookups(s, "a minute after the last", want...)
		s.ch.balancer.idle()
		s.advance(time.Hour)
		w.wantLookups(s, "not while it is idle", want...)
	}, WithBalancing(RoundRobin), WithLookupEvery(time.Minute), WithIdleTimeout(-1))
}

// Who wants to know sooner than after 30 s does so after a loss, too; a lookup then begins a new period.
func TestLookupEveryFewSeconds(t *testing.T) {
	w := newNetwork(three...)
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		s.ready()
		s.advance(5 * time.Second)
		w.move(three[1:]...)
		hosts[0].disturb((*transport.Conn).Close)
		s.advance(20 * time.Second)
		w.wantLookups(s, "every ten seconds", 0, 10*time.Second, 20*time.Second)
		s.wantConns("it has left", hosts, 0, 1, 1)
	}, WithBalancing(RoundRobin), WithLookupEvery(10*time.Second))
}

func (w *fakeNetwork) wantLookups(s *scene, why string, want ...time.Duration) {
	s.Helper()
	synctest.Wait()
	if !w.lookedUp(want...) {
		s.Fatalf("%s: the name was looked up at %v; want %v", why, w.lookups, want)
	}
}

// lookedUp reports whether the name was looked up then, and then only.
func (w *fakeNetwork) lookedUp(when ...time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Equal(w.lookups, when)
}

// Without addresses the channel has failed; it goes on looking with the back-off.
func TestRoundRobinWithoutAddresses(t *testing.T) {
	w := newNetwork()
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		s.wantFailed("there is no such name", s.unary(s.Context(), "a"), cqrpc.CodeUnavailable,
			"resolve mem.test:50051", "no such host")
		s.wantState("there is no such name", TransientFailure)
		s.advance(3 * time.Second)
		w.wantLookups(s, "delays of 1 s and 1.6 s", 0, time.Second, 2600*time.Millisecond)
		w.move([]string{}...)
		s.ch.ResetBackoff()
		synctest.Wait()
		s.wantFailed("an empty answer", s.unary(s.Context(), "b"), cqrpc.CodeUnavailable, "no addresses")
		w.move(three...)
		s.ch.ResetBackoff()
		synctest.Wait()
		s.wantTurns("it has three", hosts, 3, 3, 3)
		s.wantState("it has three", Ready)
	}, WithBalancing(RoundRobin))
}

func TestRoundRobinTakesEachAddressOnce(t *testing.T) {
	w := newNetwork()
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		ch, err := NewChannel("ipv4:192.0.2.1:50051,192.0.2.2:50051,192.0.2.1:50051", WithInsecure(),
			WithBalancing(RoundRobin), optionFunc(func(c *config) { *c = s.ch.cfg }))
		if err != nil {
			s.Fatal(err)
		}
		defer ch.Close()
		ch.Connect()
		s.wantConns("once each", hosts, 1, 1, 0)
		ch.Close()
	}, WithBalancing(RoundRobin))
}

// Close meets the rotation in every stage; the end of the scene wants nothing to be left.
func TestRoundRobinClose(t *testing.T) {
	for name, prepare := range map[string]func(s *scene, w *fakeNetwork){
		"asleep":                  func(*scene, *fakeNetwork) {},
		"looks up":                func(s *scene, w *fakeNetwork) { w.stall(); s.ch.Connect() },
		"looks up in vain":        func(s *scene, w *fakeNetwork) { w.move(); s.ch.Connect() },
		"connects":                func(s *scene, w *fakeNetwork) { w.serve(three[0], silence); s.ch.Connect() },
		"waits for its back-off":  func(s *scene, w *fakeNetwork) { w.serve(three[0], nil); s.ch.Connect() },
		"waits to look up":        func(s *scene, w *fakeNetwork) { w.serve(three[0], nil); s.ready() },
		"is ready":                func(s *scene, _ *fakeNetwork) { s.ready() },
		"is ready, and was idle":  func(s *scene, _ *fakeNetwork) { s.ready(); s.ch.balancer.idle(); s.ready() },
		"is asleep, and was idle": func(s *scene, _ *fakeNetwork) { s.ready(); s.ch.balancer.idle() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(three...)
			w.build(three...)
			w.play(t, func(s *scene) {
				prepare(s, w)
				synctest.Wait()
				s.ch.Close()
				tried := w.triedYet()
				s.ch.Connect()
				s.ch.ResetBackoff()
				s.ch.balancer.connect()
				s.ch.balancer.idle()
				s.wantFailed("closed", s.unary(s.Context(), "a"), cqrpc.CodeUnavailable, "channel is closed")
				s.advance(5 * time.Minute)
				s.wantTried("nothing follows", w, tried...)
			}, WithBalancing(RoundRobin))
		})
	}
}

func TestRoundRobinCloseFailsCalls(t *testing.T) {
	w := newNetwork(three...)
	w.build(three...)
	w.play(t, func(s *scene) {
		s.ready()
		streams := s.bidiStreams(3)
		w.move(three[1:]...) // the first address is gone, the second connection is drained
		s.ch.balancer.(*rotation).members[1].sub.conn.Drain()
		s.advance(lookupInterval)
		s.ch.Close()
		for _, stream := range streams {
			_, err := stream.Recv()
			s.wantError("closed", err, cqrpc.CodeUnavailable, "channel is closed")
			stream.Close()
		}
	}, WithBalancing(RoundRobin))
}

// A connection that has ended is not remembered.
func TestConnectionsAreForgotten(t *testing.T) {
	w := newNetwork(three...)
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		for range 5 {
			s.ready()
			for _, h := range hosts {
				h.disturb((*transport.Conn).Close)
			}
			s.advance(time.Minute)
		}
		s.ch.conns.mu.Lock()
		defer s.ch.conns.mu.Unlock()
		if n := len(s.ch.conns.conns); n != 3 {
			s.Errorf("%d connections are remembered; want 3", n)
		}
	}, WithBalancing(RoundRobin))
}

// Idleness ends connections, attempts and lookups; the next call starts them again.
func TestRoundRobinIdles(t *testing.T) {
	w := newNetwork(three...)
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		w.serve("192.0.2.1", nil)
		s.ready()
		seen := s.history()
		stream := s.bidiStream()
		s.advance(time.Hour)
		s.wantState("a call is in progress", Ready)
		stream.Close()
		s.advance(2*time.Minute + time.Second)
		s.wantConns("nobody called for long", hosts, 0, 0, 0)
		s.wantHistory("nobody called for long", seen, Ready, Idle)
		tried, lookups := w.triedYet(), len(w.lookups)
		s.advance(time.Hour)
		s.wantTried("idle is idle", w, tried...)
		if n := len(w.lookups); n != lookups {
			s.Errorf("idle is idle: %d lookups", n-lookups)
		}
		w.serve("192.0.2.1", hosts[0].serve)
		w.move("192.0.2.1", "192.0.2.2")
		s.ready()
		s.wantTurns("the name was looked up anew", hosts, 5, 5, 0)
	}, WithBalancing(RoundRobin), WithIdleTimeout(time.Minute))
}

// A server that is tried in vain again and again does not keep the channel from being idle.
func TestRoundRobinIdlesBesideFailures(t *testing.T) {
	w := newNetwork(three...)
	w.build(three...)
	w.play(t, func(s *scene) {
		w.serve("192.0.2.1", nil)
		s.ready()
		s.advance(time.Minute)
		s.wantState("nobody called", Idle)
	}, WithBalancing(RoundRobin), WithIdleTimeout(time.Minute), WithBackoff(Backoff{Max: time.Second}))
}

// A call that comes while the channel goes idle connects again.
func TestCallWhileTheChannelGoesIdle(t *testing.T) {
	w := newNetwork(three...)
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		s.ready()
		p := s.picker()
		r := s.ch.balancer.(*rotation)
		gone, u := r.leave(asleep)
		for _, m := range gone {
			m.sub.retire()
		}
		first := s.unary(s.Context(), "a")
		s.wantOK("every connection that it picks is drained", first, "a")
		s.ch.onUpdate(u)
		s.wantState("that is out of date", Ready)
		if s.picker() == p {
			s.Error("the drained connections are still picked")
		}
		s.wantTurns("all are back", hosts, 5, 5, 5)
	}, WithBalancing(RoundRobin))
}

// A call that meets a connection which takes no streams goes to another, whatever the channel has heard.
func TestRoundRobinMeetsConnectionThatTakesNoStreams(t *testing.T) {
	w := newNetwork(three...)
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		s.ready()
		seen := s.history()
		s.current().Drain()
		s.current().Drain()
		s.wantOK("at the third", s.unary(s.Context(), "a"), "a")
		s.wantTurns("the others are made anew", hosts, 7, 7, 7)
		r := s.ch.balancer.(*rotation)
		m := r.members[1]
		m.sub.mu.Lock() // it knows, and its update is under way
		conn := m.sub.conn
		m.sub.forgetLocked()
		underWay := m.sub.updateLocked(update{state: Idle})
		m.sub.mu.Unlock()
		conn.Drain()
		for range 3 {
			s.wantOK("at one of the others", s.unary(s.Context(), "a"), "a")
		}
		s.wantTurns("the others take over", hosts, 6, 0, 6)
		s.wantHistory("nobody noticed", seen, Ready)
		m.sub.watcher(underWay)
		s.advance(lasting)
		s.wantTurns("it is made anew", hosts, 6, 6, 6)
		s.wantHistory("nobody noticed", seen, Ready)
	}, WithBalancing(RoundRobin))
}

// Updates may overtake each other, and come from subchannels that are no longer members.
func TestRotationUpdatesOutOfOrder(t *testing.T) {
	w := newNetwork(three...)
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		s.ready()
		r := s.ch.balancer.(*rotation)
		m := r.members[0]
		r.onUpdate(m, update{seq: m.latest.seq, state: TransientFailure, err: errors.New("late")})
		s.wantTurns("out of date", hosts, 2, 2, 2)
		l := r.lookup
		r.idle()
		r.onUpdate(m, update{seq: 100, state: TransientFailure, err: errors.New("gone")})
		r.onFinding(l, finding{seq: 100, addresses: resolver.Addresses("192.0.2.9:50051")})
		s.wantState("they are gone", Idle)
		s.ready()
		s.wantTurns("it was another time", hosts, 2, 2, 2)
	}, WithBalancing(RoundRobin))
}

// Several connections to the first address, or to each.
func TestConnections(t *testing.T) {
	for _, tt := range []struct {
		balancing Balancing
		n         int
		conns     []int
		calls     []int
	}{
		{PickFirst, -1, []int{1, 0, 0}, []int{12, 0, 0}},
		{PickFirst, 0, []int{1, 0, 0}, []int{12, 0, 0}},
		{PickFirst, 1, []int{1, 0, 0}, []int{12, 0, 0}},
		{PickFirst, 3, []int{3, 0, 0}, []int{12, 0, 0}},
		{RoundRobin, 0, []int{1, 1, 1}, []int{4, 4, 4}},
		{RoundRobin, 2, []int{2, 2, 2}, []int{4, 4, 4}},
		{LeastRequest, 2, []int{2, 2, 2}, nil},
	} {
		t.Run(fmt.Sprint(tt.balancing, " ", tt.n), func(t *testing.T) {
			w := newNetwork(three...)
			hosts := w.build(three...)
			w.play(t, func(s *scene) {
				s.ready()
				s.wantConns("so many", hosts, tt.conns...)
				if tt.calls != nil { // else by chance
					s.wantTurns("in turns", hosts, tt.calls...)
				}
				if s.ch.balancer.idle(); s.ch.State() != Idle {
					s.Error("not idle")
				}
				s.advance(lasting)
				s.wantConns("idle", hosts, 0, 0, 0)
				s.ready()
				if tt.calls != nil {
					s.wantTurns("again", hosts, tt.calls...)
				}
			}, WithBalancing(tt.balancing), WithConnections(tt.n))
		})
	}
}

// Calls take turns on connections to one server, and one that is lost is made again without a call.
func TestConnectionsTakeTurns(t *testing.T) {
	w := newNetwork("192.0.2.1")
	hosts := w.build("192.0.2.1")
	w.play(t, func(s *scene) {
		s.ready()
		streams := s.bidiStreams(12)
		for _, c := range hosts[0].conns {
			if n := c.NumStreams(); n != 3 {
				s.Errorf("%d of 12 streams are on one of 4 connections", n)
			}
		}
		for _, stream := range streams {
			stream.Close()
		}
		lost := hosts[0].conns[2]
		lost.Close()
		s.wantConns("made anew", hosts, 4)
		s.wantState("the others were ready", Ready)
		w.serve("192.0.2.1", nil)
		hosts[0].disturb((*transport.Conn).Close)
		s.wantFailed("all lost", s.unary(s.Context(), "a"), cqrpc.CodeUnavailable,
			"dial 192.0.2.1:50051: connection refused")
	}, WithConnections(4))
}

// With pick_first each connection finds its address for itself.
func TestConnectionsGoToTheNextAddress(t *testing.T) {
	w := newNetwork(three...)
	hosts := w.build(three...)
	w.serve("192.0.2.1", nil)
	w.play(t, func(s *scene) {
		s.ready()
		s.wantConns("the first that works", hosts, 0, 2, 0)
		w.move("192.0.2.3")
		hosts[1].disturb((*transport.Conn).Close)
		s.wantConns("the name has moved", hosts, 0, 0, 2)
	}, WithConnections(2))
}

// gRFC A8: a server that wants fewer pings gets half of them, on all connections, however many it
// throws out for that.
func TestConnectionsPingLessOften(t *testing.T) {
	w := newNetwork("192.0.2.1")
	hosts := w.build("192.0.2.1")
	w.play(t, func(s *scene) {
		s.ready()
		r := s.ch.balancer.(*rotation)
		for i, want := range []time.Duration{20 * time.Second, 40 * time.Second} {
			if got := r.pace.get(); got != want/2 {
				s.Errorf("pinged every %v; want %v", got, want/2)
			}
			r.mu.Lock()
			members := slices.Clone(r.members)
			r.mu.Unlock()
			cause := &transport.GoAwayError{Code: frame.EnhanceYourCalm, Debug: "too_many_pings"}
			for _, m := range members[i:] {
				m.sub.release(m.latest.pick.(single).conn, cause)
			}
			if got := r.pace.get(); got != want {
				s.Errorf("%d were thrown out: pinged every %v; want %v", len(members)-i, got, want)
			}
			hosts[0].disturb((*transport.Conn).Close)
			s.advance(lasting)
		}
	}, WithConnections(3), WithKeepalive(transport.Keepalive{Time: 10 * time.Second, PermitWithoutStreams: true}))
}

func TestRoundRobinPingAndString(t *testing.T) {
	w := newNetwork(three...)
	w.build(three...)
	w.play(t, func(s *scene) {
		s.ready()
		if _, err := s.ch.Ping(s.Context()); err != nil {
			s.Error("Ping:", err)
		}
		got := s.ch.String()
		for _, want := range []string{"READY", "3 connections", "conn{client"} {
			if !strings.Contains(got, want) {
				s.Errorf("String() = %q; want %q in it", got, want)
			}
		}
	}, WithBalancing(RoundRobin))
}

// A dialer that takes names has one address.
func TestRoundRobinWithDialer(t *testing.T) {
	play(t, func(s *scene) {
		s.ch.Connect()
		p := s.server("the name itself")
		r := s.unary(s.Context(), "a")
		wantCall(p, "there", 1, unaryMethod.Name, "a")
		answer(p, 1, "b")
		s.wantOK("answered", r, "b")
		s.wantDials("once", 0)
	}, WithBalancing(RoundRobin))
}

func TestBalancingNames(t *testing.T) {
	for b, want := range map[Balancing]string{PickFirst: "pick_first", RoundRobin: "round_robin", 7: "Balancing(7)"} {
		if got := b.String(); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
	_, err := NewChannel("mem.test", WithInsecure(), WithBalancing(7))
	if err == nil || !strings.Contains(err.Error(), "Balancing(7)") {
		t.Errorf("NewChannel with Balancing(7) = %v", err)
	}
}

// Turns go on when the picker is replaced: the first servers get no more calls than the others.
func TestTurnsGoOn(t *testing.T) {
	w := newNetwork(three...)
	hosts := w.build(three...)
	w.play(t, func(s *scene) {
		s.ready()
		r := s.ch.balancer.(*rotation)
		for _, h := range hosts {
			h.counted()
		}
		for i := range 30 {
			s.wantOK("a call", s.unary(s.Context(), fmt.Sprint(i)), fmt.Sprint(i))
			r.mu.Lock()
			u := r.aggregateLocked()
			r.mu.Unlock()
			s.ch.onUpdate(u)
		}
		for i, h := range hosts {
			if got := h.counted(); got != 10 {
				s.Errorf("host %d got %d of 30 calls", i, got)
			}
		}
	}, WithBalancing(RoundRobin))
}

// The choice is made for every call: it costs no memory.
func TestPickAllocatesNothing(t *testing.T) {
	var p picker = &roundRobin{make([]single, 10), new(atomic.Uint64)}
	if n := testing.AllocsPerRun(100, func() { p.pick(pickInfo{method: unaryMethod.Name}) }); n != 0 {
		t.Errorf("a pick allocates %v times", n)
	}
}
