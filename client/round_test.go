package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client/resolver"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/transport"
)

// fakeNetwork is one where "mem.test" has several addresses, with a script for the connections to
// each; at other addresses nobody answers.
type fakeNetwork struct {
	mu sync.Mutex
	// guarded by mu
	names   []string                    // the addresses of mem.test; nil: there is no such name
	at      map[string]func(c net.Conn) // by address; nil: it refuses
	tried   []string                    // in order: address@when
	lookups []time.Duration             // of mem.test, since born
	isSlow  bool                        // names are not answered
	open    int                         // connections that the client has not closed
	born    time.Time
}

func newNetwork(names ...string) *fakeNetwork {
	return &fakeNetwork{names: names, at: map[string]func(net.Conn){}}
}

// serve says what happens at an address from now on.
func (w *fakeNetwork) serve(address string, f func(net.Conn)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[address] = f
}

// move changes the addresses of mem.test.
func (w *fakeNetwork) move(names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names = names
}

// stall leaves all lookups unanswered.
func (w *fakeNetwork) stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isSlow = true
}

func (w *fakeNetwork) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookups = append(w.lookups, time.Since(w.born))
	if w.isSlow {
		w.mu.Unlock()
		<-ctx.Done()
		w.mu.Lock()
		return nil, ctx.Err()
	}
	if host != "mem.test" || w.names == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	ips := make([]netip.Addr, 0, len(w.names))
	for _, name := range w.names {
		ips = append(ips, netip.MustParseAddr(name))
	}
	return ips, nil
}

func (w *fakeNetwork) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != "50051" || network != "tcp" {
		return nil, fmt.Errorf("dialed %s %q: %w", network, address, err)
	}
	w.mu.Lock()
	w.tried = append(w.tried, fmt.Sprint(host, "@", time.Since(w.born).Milliseconds()))
	serve, isKnown := w.at[host]
	w.mu.Unlock()
	switch {
	case !isKnown:
		<-ctx.Done()
		return nil, ctx.Err()
	case serve == nil:
		return nil, syscall.ECONNREFUSED
	}
	client, server := memconn.Pipe()
	w.count(1)
	go serve(server)
	return &citizen{Conn: client, closed: sync.OnceFunc(func() { w.count(-1) })}, nil
}

func (w *fakeNetwork) count(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open += n
}

// citizen is a connection whose end is counted.
type citizen struct {
	*memconn.Conn

	closed func()
}

func (c *citizen) Close() error {
	c.closed()
	return c.Conn.Close()
}

// play is play on the network.
func (w *fakeNetwork) play(t *testing.T, script func(s *scene), opts ...Option) {
	t.Helper()
	there := optionFunc(func(c *config) { c.dial, c.resolve = w.dial, w.resolve })
	play(t, func(s *scene) {
		w.born = time.Now()
		script(s)
		s.ch.Close()
		s.advance(time.Minute) // past LingerTimeout
		w.wantOpen(t, "the channel is closed", 0)
	}, append([]Option{there}, opts...)...)
}

// wantOpen checks how many connections the client has.
func (w *fakeNetwork) wantOpen(t *testing.T, why string, want int) {
	t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open != want {
		t.Errorf("%s: %d connections are open; want %d", why, w.open, want)
	}
}

func (s *scene) wantTried(why string, w *fakeNetwork, want ...string) {
	s.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.tried, want) {
		s.Fatalf("%s: tried %v; want %v", why, w.tried, want)
	}
}

// What may happen to a connection attempt.
func hangUp(nc net.Conn) { nc.Close() }

func silence(net.Conn) {}

func greet(nc net.Conn) { _ = http2.NewFramer(nc, nil).WriteSettings() }

func web(nc net.Conn) {
	_, _ = nc.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
}

// At whatever stage an address fails, the next one is tried in the same round, and calls do
// not fail.
func TestNextAddressIsTried(t *testing.T) {
	for name, tt := range map[string]struct {
		first func(net.Conn)
		after int // milliseconds
	}{
		"the first refuses":                  {nil, 0},
		"the first hangs up":                 {hangUp, 0},
		"the first is no HTTP/2 server":      {web, 250}, // which lingers
		"the first accepts and says nothing": {silence, 250},
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork("192.0.2.1", "192.0.2.2")
			w.serve("192.0.2.1", tt.first)
			servers := make(chan net.Conn, 1)
			w.serve("192.0.2.2", func(nc net.Conn) { servers <- nc })
			w.play(t, func(s *scene) {
				seen := s.history()
				r := s.unary(s.Context(), "a")
				s.advance(attemptDelay)
				s.wantTried("the second follows", w, "192.0.2.1@0", fmt.Sprint("192.0.2.2@", tt.after))
				p := h2peer.New(s.T, <-servers, h2peer.Server)
				p.Greet()
				wantCall(p, "at the second", 1, unaryMethod.Name, "a")
				answer(p, 1, "b")
				s.wantOK("answered", r, "b")
				s.wantHistory("that was one round", seen, Idle, Connecting, Ready)
			})
		})
	}
}

// A TLS handshake that fails is a failure of that address only.
func TestNextAddressIsTriedAfterTLS(t *testing.T) {
	good, roots := identity(t, "mem.test")
	stranger, _ := identity(t, "mem.test")
	serve := func(cert tls.Certificate) func(net.Conn) {
		return func(nc net.Conn) {
			tc := tls.Server(nc, transport.TLSConfig(&tls.Config{Certificates: []tls.Certificate{cert}}))
			if tc.Handshake() == nil {
				greet(tc)
			}
		}
	}
	w := newNetwork("192.0.2.1", "2001:db8::2", "192.0.2.3")
	w.serve("192.0.2.1", serve(stranger))
	w.serve("2001:db8::2", web) // does not speak TLS
	w.serve("192.0.2.3", serve(good))
	w.play(t, func(s *scene) {
		seen := s.history()
		s.ch.Connect()
		s.wantState("the third is the one", Ready)
		s.wantTried("at once", w, "192.0.2.1@0", "2001:db8::2@0", "192.0.2.3@0")
		s.wantHistory("in one round", seen, Idle, Connecting, Ready)
	}, secure(&tls.Config{RootCAs: roots}))
}

// The first to be ready is kept, though it was not the first to be tried; the others end.
func TestFirstReadyAddressIsKept(t *testing.T) {
	w := newNetwork("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
	w.serve("192.0.2.1", func(nc net.Conn) {
		time.Sleep(600 * time.Millisecond) // fake clock
		greet(nc)
	})
	w.serve("192.0.2.3", greet)
	w.play(t, func(s *scene) {
		s.ch.Connect()
		s.advance(time.Minute)
		s.wantState("the third is the first that is ready", Ready)
		s.wantTried("in order, a delay apart", w, "192.0.2.1@0", "192.0.2.2@250", "192.0.2.3@500")
		w.wantOpen(s.T, "the others have ended", 1)
	})
}

// However many become ready at the same instant, one is kept.
func TestAddressesReadyTogether(t *testing.T) {
	w := newNetwork()
	for i := range 20 {
		w.names = append(w.names, fmt.Sprint("192.0.2.", i))
	}
	w.play(t, func(s *scene) {
		start := make(chan struct{})
		for _, host := range w.names {
			w.serve(host, func(nc net.Conn) {
				<-start
				greet(nc)
			})
		}
		s.ch.Connect()
		s.advance(20 * attemptDelay)
		w.wantOpen(s.T, "all are being tried", 20)
		close(start)
		s.wantState("one of them", Ready)
		s.advance(lasting)
		w.wantOpen(s.T, "one is kept", 1)
	})
}

// A connection that is ready when another one has been taken is closed.
func TestConnectionThatNobodyTakes(t *testing.T) {
	w := newNetwork("192.0.2.1")
	w.serve("192.0.2.1", greet)
	w.play(t, func(s *scene) {
		ctx, cancel := context.WithCancel(s.Context())
		defer cancel()
		a := &attempt{sub: s.sub(), at: resolver.Address{Addr: "192.0.2.1:50051", Network: "tcp"}, timeout: time.Second}
		r := &round{attempts: []*attempt{a}, outcomes: make(chan outcome)}
		r.startNext(ctx)
		w.wantOpen(s.T, "it is ready", 1)
		cancel()
		s.advance(lasting)
		w.wantOpen(s.T, "the round is over", 0)
	})
}

// Only when all addresses have failed calls fail and the back-off begins; the error tells of
// each. Every round finds the addresses anew.
func TestAllAddressesFail(t *testing.T) {
	w := newNetwork("192.0.2.1", "192.0.2.2", "2001:db8::3", "192.0.2.1")
	w.serve("192.0.2.1", nil)
	w.serve("2001:db8::3", hangUp)
	w.play(t, func(s *scene) {
		r := s.unary(s.Context(), "a")
		s.advance(20*time.Second - time.Millisecond)
		s.wantPending("the second has its 20 s", r)
		s.wantTried("families take turns, each address once", w, "192.0.2.1@0", "2001:db8::3@0", "192.0.2.2@0")
		s.advance(time.Millisecond)
		s.wantFailed("all failed", r, cqrpc.CodeUnavailable, "none of the 3 addresses of mem.test:50051",
			"192.0.2.1:50051: connection refused", "192.0.2.2:50051: context deadline exceeded",
			"[2001:db8::3]:50051: connection to server") // it is read or written that it hung up
		if !errors.Is(r.err, syscall.ECONNREFUSED) || !errors.Is(r.err, context.DeadlineExceeded) {
			s.Errorf("the error wraps not all of its causes: %v", r.err)
		}
		s.wantState("the next round has begun: the first was longer than its delay", TransientFailure)
		w.move("192.0.2.9")
		w.serve("192.0.2.9", greet)
		s.advance(time.Minute)
		s.wantState("the name has moved", Ready)
	})
}

// The delay between rounds does not depend on how many addresses have failed.
func TestBackoffCountsRounds(t *testing.T) {
	w := newNetwork("192.0.2.1", "192.0.2.2", "192.0.2.3")
	for _, host := range w.names {
		w.serve(host, nil)
	}
	w.play(t, func(s *scene) {
		s.ch.Connect()
		s.advance(3 * time.Second)
		var want []string
		for _, at := range []int{0, 1000, 2600} {
			for _, host := range w.names {
				want = append(want, fmt.Sprint(host, "@", at))
			}
		}
		s.wantTried("delays of 1 s and 1.6 s", w, want...)
	})
}

// A name that cannot be resolved is a failed round.
func TestNameWithoutAddresses(t *testing.T) {
	w := newNetwork()
	w.play(t, func(s *scene) {
		s.wantFailed("no addresses", s.unary(s.Context(), "a"), cqrpc.CodeUnavailable,
			"resolve mem.test:50051", "no such host")
		w.move([]string{}...)
		s.advance(time.Second)
		s.wantFailed("an empty answer", s.unary(s.Context(), "a"), cqrpc.CodeUnavailable, "no addresses")
		w.move("192.0.2.1")
		w.serve("192.0.2.1", greet)
		s.advance(2 * time.Second)
		s.wantState("it has one", Ready)
	})
}

// Close ends a round wherever it is: the end of the scene wants no goroutine to be left.
func TestCloseEndsARound(t *testing.T) {
	w := newNetwork("192.0.2.1", "192.0.2.2", "192.0.2.3")
	w.serve("192.0.2.2", silence)
	w.play(t, func(s *scene) {
		r := s.unary(s.Context(), "a")
		s.advance(2 * attemptDelay)
		s.wantTried("all at once", w, "192.0.2.1@0", "192.0.2.2@250", "192.0.2.3@500")
		s.ch.Close()
		s.wantFailed("closed", r, cqrpc.CodeUnavailable, "channel is closed")
	})
}

func TestInterleave(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"one family", "192.0.2.1 192.0.2.2", "192.0.2.1 192.0.2.2"},
		{"the first begins", "::1 ::2 ::3 192.0.2.1", "::1 192.0.2.1 ::2 ::3"},
		{"the other is longer", "192.0.2.1 ::1 ::2 ::3", "192.0.2.1 ::1 ::2 ::3"},
		{"mapped addresses are of version 4", "::ffff:192.0.2.1 ::1 192.0.2.2", "192.0.2.1 ::1 192.0.2.2"},
		{"each once", "::1 192.0.2.1 ::1 ::ffff:192.0.2.1", "::1 192.0.2.1"},
		{"zones", "fe80::1%a fe80::1%b", "fe80::1%a fe80::1%b"},
	} {
		var in []netip.Addr
		for text := range strings.FieldsSeq(tt.in) {
			in = append(in, netip.MustParseAddr(text))
		}
		if got := strings.Trim(fmt.Sprint(interleave(in)), "[]"); got != tt.want {
			t.Errorf("%s: %s; want %s", tt.name, got, tt.want)
		}
	}
}

// What the target names is resolved only if it is a host, and if the dialer does not do it.
func TestWhatIsResolved(t *testing.T) {
	resolve := func(_ context.Context, host string) ([]netip.Addr, error) {
		if host == "a.test" || host == "::1" {
			return []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("192.0.2.1")}, nil
		}
		return nil, errors.New("asked for " + host)
	}
	for _, tt := range []struct{ target, want string }{
		{"a.test:80", "[[::1]:80 192.0.2.1:80]"},
		{"dns:///a.test", "[[::1]:443 192.0.2.1:443]"},
		{":80", "[:80]"},
		{"passthrough:///a.test:80", "[a.test:80]"},
		{"unix:a.test:80", "[a.test:80]"},
	} {
		target, err := parseTarget(tt.target)
		if err != nil {
			t.Fatal(err)
		}
		got, err := target.addresses(t.Context(), resolve)
		if err != nil || fmt.Sprint(got) != tt.want {
			t.Errorf("%s: %v, %v; want %s", tt.target, got, err, tt.want)
		}
		if got, err = target.addresses(t.Context(), nil); err != nil || !slices.Equal(got, []string{target.address}) {
			t.Errorf("%s with a dialer of the user's: %v, %v; want %s", tt.target, got, err, target.address)
		}
	}
}

// The text of a failure has a bound, what it wraps has none.
func TestFailuresAreTold(t *testing.T) {
	var f failures
	for i := range maxToldFailures + 3 {
		f = append(f, fmt.Errorf("e%d", i))
	}
	if text := f.Error(); !strings.HasPrefix(text, "e0; e1; ") || !strings.HasSuffix(text, "; e15; and 3 more") {
		t.Errorf("the text is %q", text)
	}
	if !errors.Is(f, f[maxToldFailures+2]) {
		t.Error("the last one is not wrapped")
	}
}

// broken is what the application may do on a goroutine of the channel instead of its work.
var broken = map[string]struct {
	do    func()
	words string
}{
	"a panic":       {func() { panic("a secret") }, "panic in dialer or TLS configuration"},
	"a Goexit":      {runtime.Goexit, "ended its goroutine"},
	"no connection": {func() {}, "returned no connection"},
}

// wantBroken checks that a call fails at once, and does not tell what was given to panic.
func (s *scene) wantBroken(words string, accept func()) {
	s.Helper()
	begun := time.Now()
	r := s.unary(s.Context(), "a")
	accept()
	s.wantFailed("there is no connection", r, cqrpc.CodeUnavailable, "dial mem.test:50051", words)
	if time.Since(begun) > 0 || strings.Contains(r.err.Error(), "secret") {
		s.Errorf("after %v the caller is told %v", time.Since(begun), r.err)
	}
}

// A dialer that breaks fails its address, not the process, and is called again after the back-off.
func TestDialersThatBreak(t *testing.T) {
	var log lockedBuffer
	for name, tt := range broken {
		t.Run(name, func(t *testing.T) {
			var s *scene
			var isBroken atomic.Bool
			isBroken.Store(true)
			play(t, func(sc *scene) {
				s = sc
				s.wantBroken(tt.words, func() {})
				isBroken.Store(false)
				s.advance(time.Second)
				s.server("after the back-off")
				s.wantState("the dialer works", Ready)
			}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
				WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
					if isBroken.Load() {
						tt.do()
						return nil, nil
					}
					return s.dial(ctx, network, address)
				}))
		})
	}
	for _, words := range []string{"panic in dialer", "a secret", "round_test.go"} {
		if !log.holds(words) {
			t.Errorf("the log has no %q", words)
		}
	}
}

// The same of a function in the TLS configuration; what was dialed is closed.
func TestTLSConfigurationsThatBreak(t *testing.T) {
	cert, roots := identity(t, "mem.test")
	server := transport.TLSConfig(&tls.Config{Certificates: []tls.Certificate{cert}})
	for _, name := range []string{"a panic", "a Goexit"} {
		t.Run(name, func(t *testing.T) {
			var isBroken atomic.Bool
			isBroken.Store(true)
			play(t, func(s *scene) {
				s.wantBroken(broken[name].words, func() {
					nc, _ := s.acceptTLS("the dialer works", server)
					if _, err := nc.Read(make([]byte, 1)); err == nil {
						s.Error("the connection was left open")
					}
				})
				isBroken.Store(false)
				s.advance(time.Second)
				nc, err := s.acceptTLS("after the back-off", server)
				if err != nil {
					s.Fatal(err)
				}
				h2peer.New(s.T, nc, h2peer.Server).Greet()
				s.wantState("the configuration works", Ready)
			}, WithLogger(slog.New(slog.DiscardHandler)),
				secure(&tls.Config{RootCAs: roots, VerifyConnection: func(tls.ConnectionState) error {
					if isBroken.Load() {
						broken[name].do()
					}
					return nil
				}}))
		})
	}
}
