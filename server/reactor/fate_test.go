package reactor_test

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
	"github.com/cqrpc/cqrpc/transport"
)

// Whatever ends a call, OnCancel tells, once, and OnDone follows although nobody
// calls Finish. An operation that was outstanding has its reaction first.
func TestOnCancel(t *testing.T) {
	for name, kill := range map[string]func(s *stage, r *subject){
		"client resets": func(s *stage, _ *subject) { s.WriteRST(1, http2.ErrCodeCancel) },
		"deadline": func(s *stage, _ *subject) {
			s.Advance(5 * time.Second)
			s.WantTrailers("the client is told", 1, 4)
			s.WantRST("and asked to stop", 1, http2.ErrCodeNo)
		},
		"connection is lost": func(s *stage, _ *subject) { s.Close() },
		"server cancels": func(s *stage, r *subject) {
			r.ctx.TryCancel()
			s.WantTrailers("the client is told", 1, 1, "grpc-message", "Cancelled on the server side")
			s.WantRST("and asked to stop", 1, http2.ErrCodeNo)
		},
		"server closes": func(s *stage, _ *subject) {
			s.server.CancelAllCalls()
			s.WantGoAway("the connection is closed", http2.ErrCodeNo)
			s.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				latest := s.bidi(func(r *subject) { r.StartRead(&r.req) })
				s.Request(1, bidi.Name, "grpc-timeout", "5S")
				s.want("an open call")
				r := latest()
				kill(s, r)
				s.want(name, `read false ""`, "cancel true", "done")
				if r.ctx.Err() == nil {
					s.Error("the context has not ended")
				}
				r.StartRead(&r.req)
				r.StartWrite(&r.req)
				r.StartSendInitialMetadata()
				r.Finish(ok)
				s.want("after OnDone nothing happens")
			})
		})
	}
}

// No reaction runs on the stack of a TryCancel, also if the call gets its reactor between that and
// the cancel; and none is lost, however many there are of them.
func TestTryCancelBesideTheHandler(t *testing.T) {
	play(t, func(s *stage) {
		var cancels [2]func()
		latest := s.bidi(func(r *subject) {
			for i := range cancels {
				goOn, isAlone := reactor.HeldTryCancel(r.ctx)
				if !isAlone {
					s.Error("the call has a reactor before its handler has returned one")
				}
				cancels[i] = goOn
			}
			r.StartRead(&r.req)
			r.onRead = func(bool) {
				if strings.Contains(string(debug.Stack()), "cancelAlone") {
					s.Error("a reaction on the stack of a TryCancel")
				}
			}
		})
		s.Request(1, bidi.Name)
		latest()
		for _, goOn := range cancels {
			goOn()
		}
		s.want("cancelled", `read false ""`, "cancel true", "done")
	})
}

// A call that ends beside a TryCancel and before it has a reactor ends as ever.
func TestTryCancelOfAnEndedCall(t *testing.T) {
	play(t, func(s *stage) {
		var goOn func()
		s.bidi(func(r *subject) {
			goOn, _ = reactor.HeldTryCancel(r.ctx)
			r.ctx.TryCancel()
			r.StartRead(&r.req)
		})
		s.Request(1, bidi.Name)
		s.want("cancelled", `read false ""`, "cancel true", "done")
		goOn()
		s.want("in vain")
	})
}

// A reactor can go on after OnCancel, and finishes in vain.
func TestFinishAfterOnCancel(t *testing.T) {
	play(t, func(s *stage) {
		s.bidi(func(r *subject) {
			r.onCancel = func() {
				r.StartWrite(wrapperspb.String("x"))
				r.StartRead(&r.req)
			}
			r.onRead = func(bool) { r.Finish(ok) }
		})
		s.Request(1, bidi.Name)
		s.WriteRST(1, http2.ErrCodeCancel)
		s.want("operations on a dead call fail", "cancel true", "write false", `read false ""`, "done")
	})
}

// A call that was finished in time was not cancelled, whatever its client does.
func TestNoOnCancelAfterStatus(t *testing.T) {
	play(t, func(s *stage) {
		s.bidi(func(r *subject) { r.Finish(cqrpc.Status{Code: cqrpc.CodeAborted}) })
		s.Request(1, bidi.Name)
		s.WantTrailers("the status", 1, 10)
		s.WantRST("the client was not done", 1, http2.ErrCodeNo)
		s.want("no OnCancel", "done")
	})
}

// Finish from outside any reaction, while a read is outstanding.
func TestFinishFromOutside(t *testing.T) {
	play(t, func(s *stage) {
		latest := s.bidi(func(r *subject) { r.StartRead(&r.req) })
		s.Request(1, bidi.Name)
		s.want("an open call")
		mu := make(chan struct{}, 1)
		r := latest()
		r.onRead = func(bool) {
			mu <- struct{}{}
			<-mu
		}
		mu <- struct{}{}
		r.Finish(ok)
		<-mu
		s.WantTrailers("the status", 1, 0)
		s.WantRST("the client was not done", 1, http2.ErrCodeNo)
		s.want("the read ends", `read false ""`, "done")
	})
}

// The status follows a write that is outstanding; a read that is ends.
func TestFinishWithOperationsOutstanding(t *testing.T) {
	play(t, func(s *stage) {
		large := string(make([]byte, 100_000)) // more than the window
		s.bidi(func(r *subject) {
			r.StartRead(&r.req)
			r.StartWrite(wrapperspb.String(large))
			r.Finish(cqrpc.Status{Code: cqrpc.CodeAborted})
		})
		s.Request(1, bidi.Name)
		s.want("nothing has ended while the client takes nothing")
		s.WantResponse("the header", 1)
		s.WriteWindowUpdate(0, 1<<20)
		s.WriteWindowUpdate(1, 1<<20)
		s.WantMessage("the response", 1, false, encoded(large))
		s.WantTrailers("the status", 1, 10)
		s.WantRST("the client was not done", 1, http2.ErrCodeNo)
		s.want("all have ended", "write true", `read false ""`, "done")
	})
}

// Initial metadata goes out when the reactor says so, or with what comes first.
func TestInitialMetadata(t *testing.T) {
	play(t, func(s *stage) {
		latest := s.bidi(func(r *subject) {
			if err := r.ctx.SetHeader(cqrpc.Pairs("h", "1")); err != nil {
				s.Error(err)
			}
			if r.ctx.Metadata().Get("send") != "" {
				r.StartSendInitialMetadata()
			}
		})
		s.Request(1, bidi.Name, "send", "yes")
		s.WantResponse("alone", 1, "h", "1")
		s.want("it has a reaction", "header true")
		r := latest()
		if err := r.ctx.SetHeader(nil); !errors.Is(err, server.ErrHeaderSent) {
			s.Error(err)
		}
		_ = r.ctx.SetTrailer(cqrpc.Pairs("t", "2"))
		r.Finish(ok)
		s.WantTrailers("the status", 1, 0, "t", "2")
		s.WantRST("the client was not done", 1, http2.ErrCodeNo)
		s.want("the end", "done")

		s.Request(3, bidi.Name)
		s.want("nothing is sent yet")
		latest().Finish(cqrpc.Status{Code: cqrpc.CodeAborted})
		s.WantResponse("before the error: Trailers-Only would lose it", 3, "h", "1")
		s.WantTrailers("the error", 3, 10)
		s.WantRST("the client was not done", 3, http2.ErrCodeNo)
		s.want("the end", "done")

		s.Request(5, bidi.Name)
		s.want("nothing is sent yet")
		r = latest()
		r.StartWrite(wrapperspb.String("x"))
		s.WantResponse("with the first message", 5, "h", "1")
		s.WantMessage("the message", 5, false, encoded("x"))
		r.StartSendInitialMetadata()
		s.WantTrailers("too late", 5, 13)
		s.WantRST("the client was not done", 5, http2.ErrCodeNo)
		s.ended("misuse")
	})
}

// A reactor serves one call.
func TestReactorReturnedTwice(t *testing.T) {
	play(t, func(s *stage) {
		r := &finisher{s: s}
		s.serve(reactor.Unary(unary, func(*reactor.Context, *text, *text) reactor.UnaryReactor { return r }, s.opts...))
		s.unary(1, "x")
		s.WantIdle("open")
		s.unary(3, "x")
		s.WantTrailers("it has a call already", 3, 13)
		r.Finish(ok)
		s.WantResponse("the first", 1)
		s.WantMessage("the first", 1, false, nil)
		s.WantTrailers("the first", 1, 0)
		s.want("one call", "done")
	})
}

// A client that has read the status may open the next stream at once, although
// OnDone has not returned (RFC 9113 section 5.1.2).
func TestCallIsReleasedBeforeItsStatus(t *testing.T) {
	play(t, func(s *stage) {
		if s.opts != nil {
			return // inline, OnDone stops the connection
		}
		block := make(chan struct{})
		s.bidi(func(r *subject) {
			r.onDone = func(bool) { <-block }
			r.s = &stage{T: s.T, journal: &journal{t: s.T}}
			r.Finish(ok)
		})
		for id := uint32(1); id < 40; id += 2 {
			s.Request(id, bidi.Name)
			s.WantTrailers("served", id, 0)
			s.WantRST("the client was not done", id, http2.ErrCodeNo)
		}
		close(block)
		synctest.Wait()
	}, server.WithTransport(transport.Config{MaxConcurrentStreams: 1}))
}

// Nor does a client that has cancelled wait for OnDone.
func TestCancelledCallIsReleasedBeforeOnDone(t *testing.T) {
	play(t, func(s *stage) {
		if s.opts != nil {
			return // inline, OnDone stops the connection
		}
		block := make(chan struct{})
		s.bidi(func(r *subject) {
			r.onDone = func(bool) { <-block }
			r.s = &stage{T: s.T, journal: &journal{t: s.T}}
		})
		for id := uint32(1); id < 40; id += 2 {
			s.Request(id, bidi.Name)
			s.WriteRST(id, http2.ErrCodeCancel)
			s.WantIdle("it is not refused")
		}
		close(block)
		synctest.Wait()
	}, server.WithTransport(transport.Config{MaxConcurrentStreams: 1}))
}

// A reaction that blocks stops its reactor and no other, nor the connection.
func TestBlockedReaction(t *testing.T) {
	play(t, func(s *stage) {
		if s.opts != nil {
			return // inline, it may stop the connection
		}
		block := make(chan struct{})
		s.bidi(func(r *subject) {
			r.s = &stage{T: s.T, journal: &journal{t: s.T}}
			blocks := r.ctx.Metadata().Get("block") != ""
			r.onRead = func(isOK bool) {
				if blocks {
					<-block
				}
				r.StartWriteAndFinish(&r.req, ok)
			}
			r.StartRead(&r.req)
		})
		id := uint32(1)
		for range 20 {
			s.Request(id, bidi.Name, "block", "yes")
			s.WriteMessage(id, true, encoded("x"))
			id += 2
		}
		s.Request(id, bidi.Name)
		s.WriteMessage(id, true, encoded("y"))
		s.WantResponse("served", id)
		s.WantMessage("served", id, false, encoded("y"))
		s.WantTrailers("served", id, 0)
		s.WantIdle("the others wait")
		close(block)
		n := 0
		s.Until("the others", func(f frame) bool {
			if f.Value("grpc-status") == "0" {
				n++
			}
			return n == 20
		})
	})
}

// Shutdown waits for the reactors; when it loses patience they are cancelled.
func TestShutdown(t *testing.T) {
	play(t, func(s *stage) {
		s.bidi(func(r *subject) { r.StartRead(&r.req) })
		s.Request(1, bidi.Name)
		s.want("an open call")
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		ended := make(chan error)
		go func() { ended <- s.server.Shutdown(ctx) }()
		s.want("it waits")
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			s.Error(err)
		}
		s.want("no patience any more", `read false ""`, "cancel true", "done")
	})
}

// The context of a reactor is one for everything else, too.
func TestContext(t *testing.T) {
	play(t, func(s *stage) {
		latest := s.bidi(func(r *subject) {
			if r.ctx.DefaultReactor() == nil {
				s.Error("no default reactor, although a useless one")
			}
		})
		s.Request(1, bidi.Name, "k", "v")
		r := latest()
		info, found := server.Incoming(context.WithValue(r.ctx, s, s))
		if !found || info.Metadata.Get("k") != "v" || r.ctx.Authority() != "h2peer.test" {
			s.Errorf("%+v", info)
		}
		derived, cancel := context.WithCancel(r.ctx)
		defer cancel()
		r.ctx.TryCancel()
		s.WantTrailers("cancelled", 1, 1)
		s.WantRST("the client was not done", 1, http2.ErrCodeNo)
		<-derived.Done()
		s.want("cancelled", "cancel true", "done")
	})
	var zero reactor.Context
	zero.TryCancel()
	if zero.DefaultReactor() == nil || zero.Err() != nil {
		t.Error("the zero Context is not ready")
	}
}

// The handler may cancel the call itself.
func TestTryCancelInHandler(t *testing.T) {
	play(t, func(s *stage) {
		s.bidi(func(r *subject) {
			r.ctx.TryCancel()
			r.StartRead(&r.req)
		})
		s.Request(1, bidi.Name)
		s.WantTrailers("cancelled", 1, 1)
		s.WantRST("the client was not done", 1, http2.ErrCodeNo)
		s.want("OnCancel comes after the handler", `read false ""`, "cancel true", "done")
	})
}
