package server_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/server"
)

// wantStats waits until all is done and compares.
func wantStats(t *testing.T, when string, s *server.Server, want server.Stats) {
	t.Helper()
	synctest.Wait()
	if got := s.Stats(); got != want {
		t.Errorf("%s: got %+v, want %+v", when, got, want)
	}
}

// What comes and goes is counted, in the queue style.
func TestStats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		m := method(t, s, bidi.Name, server.PayloadNone)
		ask(t, s, m, q, 1)
		wantStats(t, "asked for a call", s, server.Stats{Requests: 1})
		x := serve(t, s)
		p, other := x.dial(), x.dial()
		wantStats(t, "connected", s, server.Stats{Connections: 2, Requests: 1})
		p.Request(1, bidi.Name)
		wantStats(t, "a call came", s, server.Stats{Connections: 2, Streams: 1})
		other.Request(1, bidi.Name)
		wantStats(t, "one too many", s, server.Stats{Connections: 2, Streams: 2, Pending: 1})
		p.Close()
		wantStats(t, "a client left", s, server.Stats{Connections: 1, Streams: 1, Pending: 1})
		other.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		wantStats(t, "closed", s, server.Stats{})
	})
}

// Calls of handlers are counted until they give their place to others.
func TestStatsOfHandlers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got []server.Accepted
		x := serveHandlers(t, server.NewHandler(bidi.Name, call.BidiStream, func(a server.Accepted) {
			got = append(got, a)
		}))
		p := x.dial()
		p.Request(1, bidi.Name)
		p.Request(3, bidi.Name)
		wantStats(t, "two calls", x.server, server.Stats{Connections: 1, Streams: 2, Handling: 2})
		got[0].Release()
		wantStats(t, "one released", x.server, server.Stats{Connections: 1, Streams: 2, Handling: 1})
		got[1].Release()
		p.Close()
		wantStats(t, "the client left", x.server, server.Stats{})
		got[0].Done()
		got[1].Done()
	})
}

func TestString(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		m := method(t, s, bidi.Name, server.PayloadNone)
		x := serve(t, s)
		p := x.dial()
		ask(t, s, m, q, 1)
		want := "server.Server(serving, queues 1, methods 1, connections 1, streams 0, handling 0, requests 1, pending 0, unread 0)"
		if got := s.String(); got != want {
			t.Errorf("got %s; want %s", got, want)
		}
		p.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := s.String(); !strings.HasPrefix(got, "server.Server(idle,") {
			t.Errorf("got %s", got)
		}
	})
}
