package reactor_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/server/reactor"
)

// shutdown begins the graceful end of the server and returns its result.
func (s *stage) shutdown() <-chan error {
	down := make(chan error, 1)
	go func() { down <- s.server.Shutdown(context.Background()) }()
	return down
}

// wantOpen wants the server's end to be still under way.
func (s *stage) wantOpen(why string, down <-chan error) {
	s.Helper()
	synctest.Wait()
	select {
	case err := <-down:
		s.Fatalf("%s: Shutdown has returned %v", why, err)
	default:
	}
}

// Shutdown returns when the last OnDone has, whatever ended the call.
func TestShutdownWaitsForOnDone(t *testing.T) {
	for name, end := range map[string]func(s *stage, r *subject){
		"finished":  func(_ *stage, r *subject) { r.Finish(ok) },
		"cancelled": func(s *stage, _ *subject) { s.WriteRST(1, http2.ErrCodeCancel) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				last := make(chan struct{})
				latest := s.bidi(func(r *subject) { r.onDone = func(bool) { <-last } })
				s.Request(1, bidi.Name)
				s.WantIdle("the call is open")
				go end(s, latest()) // Inline, OnDone may run on any goroutine that ends something
				synctest.Wait()
				s.Peer.Close()
				down := s.shutdown()
				s.wantOpen("OnDone runs", down)
				close(last)
				if err := <-down; err != nil {
					s.Error(err)
				}
			})
		})
	}
}

// A reactor to whose end nobody listens keeps nobody waiting but for its handler.
func TestShutdownWaitsForHandler(t *testing.T) {
	play(t, func(s *stage) {
		if len(s.opts) > 0 {
			return // inline, the handler would hold the connection up
		}
		last := make(chan struct{})
		s.serve(reactor.Unary(unary, func(ctx *reactor.Context, req, _ *text) reactor.UnaryReactor {
			r := ctx.DefaultReactor()
			switch req.Value {
			case "nil":
				return nil
			case "panic":
				panic("as asked")
			case "finish":
				r.Finish(ok)
			}
			<-last
			return r
		}, s.opts...))
		for i, how := range []string{"nil", "panic", "finish", "never"} {
			s.unary(uint32(2*i+1), how)
		}
		synctest.Wait()
		s.Peer.Close()
		down := s.shutdown()
		s.wantOpen("two handlers run", down)
		close(last)
		if err := <-down; err != nil {
			s.Error(err)
		}
	})
}

// An OnDone that never returns does not hold up Close for ever, and is counted.
func TestCloseCountsOnDone(t *testing.T) {
	play(t, func(s *stage) {
		if len(s.opts) > 0 {
			return // inline it holds the connection up, too
		}
		last := make(chan struct{})
		s.bidi(func(r *subject) {
			r.onDone = func(bool) { <-last }
			r.Finish(ok)
		})
		s.Request(1, bidi.Name)
		synctest.Wait()
		if err := s.server.Close(); err == nil || !strings.Contains(err.Error(), "handlers that have not returned: 1") {
			s.Errorf("Close: %v", err)
		}
		close(last)
	})
}
