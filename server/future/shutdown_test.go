package future_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"

	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

// Shutdown returns when the last callback of the last call has, whichever that
// is and whatever ended the call.
func TestShutdownWaitsForCallbacks(t *testing.T) {
	type site struct {
		k    *keep
		hold func(why string) // blocks
	}
	hold := func(x site, why string) func(struct{}, error) {
		return func(struct{}, error) { x.hold(why) }
	}
	for name, begin := range map[string]func(x site){
		"end": func(x site) { // on the poller, so that it is not over when OnComplete is called
			if err := x.k.ctx.Spawn(func() { x.k.sink.Close().OnComplete(hold(x, "end")) }); err != nil {
				t.Error(err)
			}
		},
		"message": func(x site) { x.k.sink.Send(new(text)).OnComplete(hold(x, "message")) },
		"behind": func(x site) {
			x.k.sink.Send(new(text))
			x.k.sink.Send(new(text)).OnComplete(hold(x, "behind"))
		},
		"request": func(x site) {
			x.k.next.OnComplete(func(*text, error) { x.hold("request") })
		},
		"spawned": func(x site) {
			if err := x.k.ctx.Spawn(func() { x.hold("spawned") }); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var k keep
			play(t, handlers(k.bidi()), func(s *scene) {
				p := s.peer(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
				p.Request(1, bidi.Name)
				p.WantIdle("nobody has answered")
				last := make(chan struct{})
				var held atomic.Int32
				begin(site{&k, func(string) {
					held.Add(1)
					<-last
				}})
				synctest.Wait()
				p.Close()
				down := make(chan error, 1)
				go func() { down <- s.server.Shutdown(context.Background()) }()
				synctest.Wait()
				if n := held.Load(); n != 1 {
					s.Errorf("the callback ran %d times", n)
				}
				select {
				case err := <-down:
					s.Errorf("Shutdown did not wait: %v", err)
				default:
				}
				close(last)
				if err := <-down; err != nil {
					s.Error(err)
				}
				k.sink.Close() // what begins later is nobody's to wait for
				k.in.Next()
			})
		})
	}
}

// A call that the application has used up before, or not at all, is done too.
func TestShutdownOfCallsWithoutCallbacks(t *testing.T) {
	for name, use := range map[string]func(sink *serverfuture.ResponseSink[text]){
		"answered": func(sink *serverfuture.ResponseSink[text]) { sink.Success(new(text)) },
		"not":      func(*serverfuture.ResponseSink[text]) {},
		"panicked": func(*serverfuture.ResponseSink[text]) { panic("as asked") },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, handlers(onUnary(func(_ *serverfuture.Context, _ *text, sink *serverfuture.ResponseSink[text]) {
				use(sink)
			})), func(s *scene) {
				p := s.peer()
				p.Request(1, unary.Name)
				p.WriteMessage(1, true, nil)
				p.Request(3, unary.Name) // its message never comes
				synctest.Wait()
				p.Close()
				if err := s.server.Shutdown(context.Background()); err != nil {
					s.Error(err)
				}
			})
		})
	}
}
