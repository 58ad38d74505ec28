package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

// TestShutdownFinishesRequests: unmatched requests come back false, each once,
// and so does what is asked for afterwards (core: shutdown_finishes_tags).
func TestShutdownFinishesRequests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		m := method(t, s, unary.Name, server.PayloadOnly)
		slots := []*server.IncomingCall{ask(t, s, m, q, 0), ask(t, s, m, q, 1)}
		generic := &server.IncomingCall{Method: "stale", Value: t}
		if err := s.RequestCall(generic, nil, q, "generic"); err != nil {
			t.Fatal(err)
		}
		serve(t, s)
		if err := s.ShutdownAndNotify(q, "down"); err != nil {
			t.Fatal(err)
		}
		for i, slot := range slots {
			ev := wantTag(t, q, i, false)
			if !errors.Is(ev.Err, server.ErrServerClosed) || slot.Call != nil {
				t.Errorf("request %d: %v, %+v", i, ev.Err, slot)
			}
		}
		wantTag(t, q, "generic", false)
		if generic.Method != "" || generic.Value != any(t) {
			t.Errorf("slot is %+v", generic)
		}
		wantTag(t, q, "down", true)
		ask(t, s, m, q, "late")
		wantTag(t, q, "late", false)
		if err := s.ShutdownAndNotify(q, "again"); err != nil {
			t.Fatal(err)
		}
		wantTag(t, q, "again", true)
		wantNoTag(t, q) // the queue is the application's until Shutdown or Close
	})
}

// TestShutdownFinishesPendingCalls (core: shutdown_finishes_pending_calls).
func TestShutdownFinishesPendingCalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		method(t, s, bidi.Name, server.PayloadNone)
		p := serve(t, s).dial()
		p.Request(1, bidi.Name)
		p.WantIdle("it waits")
		if err := s.ShutdownAndNotify(q, "down"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		p.Until("the call is refused", func(f h2frame) bool {
			return f.Type == http2.FrameHeaders && f.Value("grpc-status") == "14"
		})
	})
}

// TestShutdownRefusesRequests: what comes for the queue style when the end has begun is
// refused as unprocessed, so that the client may ask another server.
func TestShutdownRefusesRequests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		method(t, s, bidi.Name, server.PayloadNone)
		method(t, s, unary.Name, server.PayloadOnly)
		p := serve(t, s).dial()
		if err := s.ShutdownAndNotify(q, "down"); err != nil {
			t.Fatal(err)
		}
		p.WantGoAway("what is on its way is still taken", http2.ErrCodeNo)
		p.Request(1, bidi.Name)
		p.WantRST("and refused", 1, http2.ErrCodeRefusedStream)
		p.Request(3, unary.Name)
		p.WantRST("without waiting for the message", 3, http2.ErrCodeRefusedStream)
	})
}

// TestGracefulShutdown: what is in progress ends well, then the tag comes
// (core: graceful_server_shutdown).
func TestGracefulShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		m := method(t, s, bidi.Name, server.PayloadNone)
		x := serve(t, s)
		p := x.client()
		slot := ask(t, s, m, q, "request")
		st := statusOf(t, call.NewClient(nil, call.Config{Method: bidi.Name, Authority: "a"}, p))
		wantTag(t, q, "request", true)
		if err := s.ShutdownAndNotify(q, "down"); err != nil {
			t.Fatal(err)
		}
		wantNoTag(t, q)
		if _, err := x.net.Dial(context.Background()); err == nil {
			t.Error("the listener is still open")
		}
		finish(t, slot.Call, q)
		if got := st(); got.Code != 0 {
			t.Errorf("the call ended with %v", got)
		}
		wantTag(t, q, "down", true)
	})
}

// TestShutdown: all that can be open at once, and a poller that sees the end.
func TestShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		s, q := queued(t)
		err := s.Register(server.Unary(unary, func(context.Context, *text) (*text, error) {
			<-release
			return &text{}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, nil)
		p.WantIdle("the handler works")
		down := make(chan error, 1)
		go func() { down <- s.Shutdown(context.Background()) }()
		p.WantGoAway("no more calls, please", http2.ErrCodeNo)
		p.Request(3, unary.Name) // was on its way
		p.WriteMessage(3, true, nil)
		p.WantIdle("both handlers work")
		close(release)
		ended := 0
		p.Until("both calls end well", func(f h2frame) bool {
			if f.End() && f.Value("grpc-status") == "0" {
				ended++
			}
			return ended == 2
		})
		p.Advance(21 * time.Second) // the PING is not answered
		frames := p.Until("the end", func(f h2frame) bool { return f.Type == http2.FrameGoAway })
		if f := frames[len(frames)-1]; f.LastStreamID != 3 {
			t.Errorf("last stream is %d; want 3", f.LastStreamID)
		}
		p.Close()
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if ev := q.Next(context.Background()); ev.Kind != cq.Shutdown {
			t.Errorf("the queue says %v; want SHUTDOWN", ev.Kind)
		}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("second Shutdown: %v", err)
		}
	})
}

// TestStopping: the handler of a long stream learns that the server is ending, and ends the stream.
func TestStopping(t *testing.T) {
	for name, begin := range map[string]func(s *server.Server) error{
		"Shutdown":          func(s *server.Server) error { return s.Shutdown(context.Background()) },
		"ShutdownAndNotify": func(s *server.Server) error { return s.ShutdownAndNotify(cq.New(), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := server.New()
				last := func(ctx context.Context, _ *server.Receiver[text], _ *server.Sender[text]) error {
					select {
					case <-s.Stopping():
						return cqrpc.Errorf(cqrpc.CodeUnavailable, "come again")
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				if err := s.Register(server.BidiStream(bidi, last)); err != nil {
					t.Fatal(err)
				}
				p := serve(t, s).dial()
				p.Request(1, bidi.Name)
				p.WantIdle("the stream lasts")
				began := make(chan error, 1)
				go func() { began <- begin(s) }()
				p.Until("the handler's status", func(f h2frame) bool {
					return f.End() && f.Value("grpc-message") == "come again"
				})
				p.Close()
				if err := <-began; err != nil {
					t.Error(err)
				}
			})
		})
	}
	bubble(t, func(t *testing.T) {
		s := server.New()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-s.Stopping()
	})
}

// TestShutdownAlwaysReturns, whoever does not do his part.
func TestShutdownAlwaysReturns(t *testing.T) {
	tests := []struct {
		name     string
		busy     func(t *testing.T, s *server.Server, q *cq.Queue, m *server.Method, p peer)
		handlers string // in the error
	}{
		{"nobody finishes a call", func(t *testing.T, s *server.Server, q *cq.Queue, m *server.Method, p peer) {
			ask(t, s, m, q, "request")
			p.Request(1, bidi.Name)
			wantTag(t, q, "request", true)
		}, ""},
		{"nobody polls", func(t *testing.T, s *server.Server, q *cq.Queue, m *server.Method, p peer) {
			for i := range 3 {
				ask(t, s, m, q, i)
			}
			p.Request(1, bidi.Name)
		}, ""},
		{"a handler heeds its context", func(_ *testing.T, _ *server.Server, _ *cq.Queue, _ *server.Method, p peer) {
			p.Request(1, unary.Name)
			p.WriteMessage(1, true, encoded("heed"))
		}, ""},
		{"a handler never ends", func(_ *testing.T, _ *server.Server, _ *cq.Queue, _ *server.Method, p peer) {
			p.Request(1, unary.Name)
			p.WriteMessage(1, true, nil)
		}, "handlers that have not returned: 1"},
		{"a call waits for its message", func(_ *testing.T, _ *server.Server, _ *cq.Queue, _ *server.Method, p peer) {
			p.Request(1, unary.Name)
		}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				stuck := make(chan struct{})
				s, q := queued(t)
				m := method(t, s, bidi.Name, server.PayloadNone)
				err := s.Register(server.Unary(unary, func(ctx context.Context, req *text) (*text, error) {
					if req.Value == "heed" {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					<-stuck
					return &text{}, nil
				}))
				if err != nil {
					t.Fatal(err)
				}
				x := &site{t: t, server: s, net: memconn.Listen(), served: make(chan error, 1)}
				go func() { x.served <- s.Serve(x.net) }()
				p := x.dial()
				test.busy(t, s, q, m, p)
				synctest.Wait()
				if err := s.ShutdownAndNotify(q, "down"); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				began := time.Now()
				err = s.Shutdown(ctx)
				if d := time.Since(began); d < time.Minute || d > time.Minute+3*time.Second {
					t.Errorf("Shutdown took %v", d)
				}
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), test.handlers) ||
					strings.Contains(err.Error(), "handlers") != (test.handlers != "") {
					t.Errorf("Shutdown: %v", err)
				}
				if err := <-x.served; !errors.Is(err, server.ErrServerClosed) {
					t.Errorf("Serve: %v", err)
				}
				var tags []cq.Tag
				for ev := range q.Events(context.Background()) {
					tags = append(tags, ev.Tag)
				}
				if len(tags) == 0 || tags[len(tags)-1] != "down" {
					t.Errorf("tags %v; want down as the last", tags)
				}
				close(stuck)
			})
		})
	}
}

// TestShutdownWithoutCalls: servers that never served, sockets that never
// spoke.
func TestShutdownWithoutCalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if ev := q.Next(context.Background()); ev.Kind != cq.Shutdown {
			t.Errorf("the queue says %v", ev.Kind)
		}
		if err := s.Serve(memconn.Listen()); !errors.Is(err, server.ErrServerClosed) {
			t.Errorf("Serve after Shutdown: %v", err)
		}
		nc, _ := memconn.Pipe()
		if err := s.ServeConn(nc); !errors.Is(err, server.ErrServerClosed) {
			t.Errorf("ServeConn after Shutdown: %v", err)
		}
	})
	bubble(t, func(t *testing.T) {
		x := serveHandlers(t, serverUnaryEcho)
		if _, err := x.net.Dial(context.Background()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := x.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestRegisterOnShutdown: what is registered is called when the end begins, once, and
// at once if it has begun; one that blocks holds up nobody.
func TestRegisterOnShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := server.New()
		called := make(chan string, 4)
		release := make(chan struct{})
		defer close(release)
		s.RegisterOnShutdown(func() { called <- "early"; <-release })
		s.RegisterOnShutdown(func() { called <- "early" })
		synctest.Wait()
		if len(called) > 0 {
			t.Error("it is called before the end")
		}
		if err := errors.Join(s.Shutdown(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		s.RegisterOnShutdown(func() { called <- "late" })
		synctest.Wait()
		if a, b, c := <-called, <-called, <-called; len(called) > 0 || a != "early" || b != "early" || c != "late" {
			t.Errorf("called: %s, %s, %s and %d more", a, b, c, len(called))
		}
	})
}
