package roster_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/benchmark/internal/roster"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// plans is every mode once, as short as can be. Nothing is asserted of speed.
func plans() map[string]load.Plan {
	of := func(m load.Mode, conns, streams, size int, rate float64) load.Plan {
		return load.Plan{
			Mode: m, Conns: conns, Streams: streams, Size: size, Rate: rate,
			Warmup: 5 * time.Millisecond, Duration: 30 * time.Millisecond,
		}
	}
	return map[string]load.Plan{
		"one call":        of(load.Unary, 1, 1, 32, 0),
		"many calls":      of(load.Unary, 2, 20, 32, 0),
		"large calls":     of(load.Unary, 1, 2, 1<<20, 0),
		"paced calls":     of(load.Unary, 1, 10, 32, 2000),
		"ping-pong":       of(load.PingPong, 2, 10, 32, 0),
		"paced ping-pong": of(load.PingPong, 1, 10, 32, 1000),
		"down":            of(load.Down, 1, 1, 32, 0),
		"down, large":     of(load.Down, 1, 2, 1<<20, 0),
		"up":              of(load.Up, 1, 1, 1<<10, 0),
		"up, large":       of(load.Up, 1, 2, 1<<20, 0),
		"send":            of(load.Send, 1, 1, 1<<20, 0),
		"fetch":           of(load.Fetch, 1, 1, 1<<20, 0),
		"calls beside idle streams": {
			Mode: load.Unary, Conns: 2, Streams: 10, Held: 300, Size: 32, Duration: 30 * time.Millisecond,
		},
		"idle streams":     of(load.IdleStreams, 2, 300, 32, 0),
		"idle connections": of(load.IdleConns, 3, 1, 32, 0),
	}
}

// variants are the settings that an entry is tested with: reactors run on a
// pool and inline.
func variants(e roster.Entry) map[string]bool {
	if e.Style == "reactor" {
		return map[string]bool{"": false, ", inline": true}
	}
	return map[string]bool{"": false}
}

func TestEveryImplementationDoesEveryWork(t *testing.T) {
	for _, e := range append(roster.Entries(), roster.Floor()) {
		for name, inline := range variants(e) {
			t.Run(e.Name+" "+e.Style+name, func(t *testing.T) {
				addr := serve(t, e, service.Setting{Queues: 2, Inline: inline, Workers: 2})
				for work, p := range plans() {
					t.Run(work, func(t *testing.T) { drive(t, e, addr, inline, p) })
				}
			})
		}
	}
}

func TestEveryClientDrivesEveryServer(t *testing.T) {
	modes := []load.Mode{load.Unary, load.PingPong, load.Down, load.Up}
	for _, host := range roster.Entries() {
		t.Run("server "+host.Name+" "+host.Style, func(t *testing.T) {
			addr := serve(t, host, service.Setting{})
			for _, guest := range roster.Entries() {
				for _, m := range modes {
					p := load.Plan{Mode: m, Conns: 1, Streams: 3, Size: 100, Duration: 10 * time.Millisecond}
					t.Run(string(m)+" "+guest.Name+" "+guest.Style, func(t *testing.T) { drive(t, guest, addr, false, p) })
				}
			}
		})
	}
}

// TestDeadline: calls have the deadline that they are given.
func TestDeadline(t *testing.T) {
	for _, e := range roster.Entries() {
		t.Run(e.Name+" "+e.Style, func(t *testing.T) {
			addr := serve(t, e, service.Setting{})
			p := load.Plan{Mode: load.Unary, Conns: 1, Streams: 3, Size: 100, Duration: 10 * time.Millisecond, Deadline: time.Minute}
			drive(t, e, addr, false, p)

			p.Deadline = time.Nanosecond
			c, err := e.NewClient(setupOf(addr, false, p))
			if err != nil {
				t.Fatal(err)
			}
			_, err = load.Run(t.Context(), c, p)
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), "deadline") {
				t.Errorf("error is %v; want a deadline that has passed", err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTLS: both ends encrypt if they are told to, or say that they cannot.
func TestTLS(t *testing.T) {
	cfg, err := service.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range append(roster.Entries(), roster.Floor()) {
		if err := e.CheckTLS(); err != nil {
			continue
		}
		t.Run(e.Name+" "+e.Style, func(t *testing.T) {
			addr := serve(t, e, service.Setting{TLS: cfg})
			p := load.Plan{Mode: load.Unary, Conns: 2, Streams: 3, Size: 100, Duration: 10 * time.Millisecond, TLS: true}
			drive(t, e, addr, false, p)

			p.TLS = false
			c, err := e.NewClient(setupOf(addr, false, p))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := load.Run(t.Context(), c, p); err == nil {
				t.Error("the server answers in plaintext")
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if err := roster.Floor().CheckTLS(); err == nil {
		t.Error("TCP without a protocol claims to encrypt")
	}
}

// setupOf is what a client is told that shall do p.
func setupOf(addr string, inline bool, p load.Plan) load.Setup {
	s := load.Setup{Addr: addr, Inline: inline}
	s.Follow(p)
	return s
}

// serve starts a server for the duration of a test.
func serve(t *testing.T, e roster.Entry, set service.Setting) (addr string) {
	t.Helper()
	s, err := e.NewServer(set)
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return lis.Addr().String()
}

func drive(t *testing.T, e roster.Entry, addr string, inline bool, p load.Plan) {
	c, err := e.NewClient(setupOf(addr, inline, p))
	if err != nil {
		t.Fatal(err)
	}
	r, err := load.Run(t.Context(), c, p)
	if err != nil {
		t.Error(err)
	}
	if r.Ops < 1 || r.OpsTotal < r.Ops {
		t.Errorf("%d operations of %d", r.Ops, r.OpsTotal)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestFind(t *testing.T) {
	for _, want := range [][2]string{{"cqrpc", "raw"}, {"cqrpc", "future"}, {"grpc-go", "queue"}, {"connect-go", ""}} {
		e, err := roster.Find(want[0], want[1])
		if err != nil || e.Name != want[0] {
			t.Errorf("%q: %+v, %v", want, e, err)
		}
	}
	for _, want := range [][2]string{{"cqrpc", ""}, {"cqrpc", "telepathy"}, {"other", ""}} {
		if e, err := roster.Find(want[0], want[1]); err == nil {
			t.Errorf("%q: %+v", want, e)
		}
	}
}
