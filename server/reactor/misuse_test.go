package reactor_test

import (
	"bytes"
	"context"
	"runtime"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// The first Finish counts. What is started after it does nothing and has no
// reaction: the tutorial's Lister goes on after a failed write, and that is fine.
func TestAfterFinish(t *testing.T) {
	play(t, func(s *stage) {
		s.bidi(func(r *subject) {
			r.Finish(cqrpc.Status{Code: cqrpc.CodeAborted})
			r.Finish(ok)
			r.StartWriteAndFinish(wrapperspb.String("x"), ok)
			r.StartWrite(wrapperspb.String("x"))
			r.StartRead(&r.req)
			r.StartRead(nil)
			r.StartSendInitialMetadata()
		})
		s.Request(1, bidi.Name)
		s.WantTrailers("the first", 1, 10)
		s.WantRST("the client was not done", 1, http2.ErrCodeNo)
		s.want("nothing else", "done")
	})
}

// A mistake ends the call with INTERNAL and its name.
func TestMisuse(t *testing.T) {
	x := wrapperspb.String("x")
	for name, c := range map[string]struct {
		do   func(r *subject)
		want string
	}{
		"second read":      {func(r *subject) { r.StartRead(&r.req); r.StartRead(&r.req) }, "StartRead while one is outstanding"},
		"second write":     {func(r *subject) { r.StartWrite(x); r.StartWrite(x) }, "StartWrite while one is outstanding"},
		"write after last": {func(r *subject) { r.StartWriteLast(x); r.StartWrite(x) }, "StartWrite after the last one"},
		"write and finish": {
			func(r *subject) { r.StartWrite(x); r.StartWriteAndFinish(x, ok) },
			"StartWriteAndFinish while one is outstanding",
		},
		"second header": {
			func(r *subject) { r.StartSendInitialMetadata(); r.StartSendInitialMetadata() },
			"StartSendInitialMetadata after the last one",
		},
		"read into nothing": {func(r *subject) { r.StartRead(nil) }, "StartRead(nil)"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, isEarly := range []bool{true, false} {
				play(t, func(s *stage) {
					s.bidi(func(r *subject) {
						if isEarly {
							c.do(r)
							return
						}
						r.onRead = func(bool) { // what it starts is outstanding until it returns
							r.onRead = nil
							c.do(r)
						}
						r.StartRead(&r.req)
					})
					s.Request(1, bidi.Name)
					s.WriteMessage(1, false, encoded("x"))
					var status, message string
					s.Until("the end", func(f frame) bool {
						status, message = f.Value("grpc-status"), f.Value("grpc-message")
						return status != "" || f.Type == http2.FrameRSTStream
					})
					if status != "" && (status != "13" || message != "reactor: "+c.want) {
						s.Errorf("status %s %q, want %q", status, message, c.want)
					}
					s.ended("OnDone comes")
				})
			}
		})
	}
}

// A mistake from outside any reaction: what it ends is not told inside of it, so a lock
// that reactions want may be held.
func TestMisuseFromOutside(t *testing.T) {
	play(t, func(s *stage) {
		latest := s.bidi(func(r *subject) { r.StartRead(&r.req) })
		s.Request(1, bidi.Name)
		s.want("an open call")
		mu := make(chan struct{}, 1)
		r := latest()
		r.onCancel = func() {
			mu <- struct{}{}
			<-mu
		}
		r.onRead = func(bool) { r.onCancel() }
		mu <- struct{}{}
		r.StartRead(&r.req)
		<-mu
		s.WantTrailers("the mistake", 1, 13, "grpc-message", "reactor: StartRead while one is outstanding")
		s.WantRST("the client was not done", 1, http2.ErrCodeNo)
		s.want("all ends", `read false ""`, "cancel true", "done")
	})
}

// ended wants OnDone to have come by now, once.
func (s *stage) ended(why string) {
	s.Helper()
	synctest.Wait()
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	if !s.journal.ended {
		s.Fatalf("%s: reactions %q", why, s.lines)
	}
}

// A response that cannot be marshalled ends the call with INTERNAL.
func TestUnsendableResponse(t *testing.T) {
	bad := wrapperspb.String("\xff")
	for name, begin := range map[string]func(r *subject){
		"write":            func(r *subject) { r.StartWrite(bad) },
		"write, finish":    func(r *subject) { r.StartWrite(bad); r.Finish(ok) },
		"write and finish": func(r *subject) { r.StartWriteAndFinish(bad, ok) },
		"flags":            func(r *subject) { r.StartWrite(wrapperspb.String("x"), call.WaitForReady) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, isEarly := range []bool{true, false} {
				play(t, func(s *stage) {
					latest := s.bidi(func(r *subject) {
						_ = r.ctx.SetHeader(cqrpc.Pairs("h", "1"))
						if isEarly {
							begin(r)
						}
					})
					s.Request(1, bidi.Name)
					if r := latest(); !isEarly {
						begin(r)
					}
					s.Until("the end", func(f frame) bool { return f.Value("grpc-status") == "13" })
					s.ended("OnDone comes")
				})
			}
		})
	}
	play(t, func(s *stage) {
		s.serve(reactor.Unary(unary, func(ctx *reactor.Context, _, res *text) reactor.UnaryReactor {
			res.Value = bad.Value
			_ = ctx.SetTrailer(cqrpc.Pairs("t", "1"))
			r := ctx.DefaultReactor()
			r.Finish(ok)
			return r
		}, s.opts...))
		s.unary(1, "x")
		s.WantTrailers("nothing else was sent", 1, 13, "t", "1")
	})
}

// A panic ends the call with INTERNAL and is reported; the reactor still gets
// what is outstanding, and OnDone. The same goes for runtime.Goexit.
func TestPanic(t *testing.T) {
	for name, crash := range map[string]func(){"panic": func() { panic("secret") }, "exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				if name == "exit" && s.opts != nil {
					return // Goexit inline would end the reader of the connection
				}
				latest := s.bidi(func(r *subject) {
					if r.ctx.Metadata().Get("now") != "" {
						crash()
					}
					r.onRead = func(bool) { crash() }
					r.onDone = func(bool) { crash() }
					r.StartRead(&r.req)
				})
				s.Request(1, bidi.Name, "now", "yes")
				s.WantTrailers("in the handler", 1, 13, "grpc-message", "panic in handler")
				s.WantRST("the client was not done", 1, http2.ErrCodeNo)
				s.want("there is no reactor")
				if len(s.panics) != 1 {
					s.Errorf("reported %v", s.panics)
				}
				s.Request(3, bidi.Name)
				s.WriteMessage(3, false, encoded("x"))
				s.WantTrailers("in a reaction", 3, 13, "grpc-message", "panic in handler")
				s.WantRST("the client was not done", 3, http2.ErrCodeNo)
				s.want("OnDone crashes as well", `read true "x"`, "done")
				if len(s.panics) != 3 {
					s.Errorf("reported %v", s.panics)
				}
				latest()
			})
		})
	}
}

// mined is a codec that crashes when it marshals "boom", or unmarshals it.
type mined struct {
	codec.Codec
	crash func()
}

func (m mined) Size(v any) int {
	if v.(*text).Value == "boom" {
		m.crash()
	}
	return m.Codec.Size(v)
}

func (m mined) Unmarshal(data []byte, v any) error {
	if bytes.Contains(data, []byte("boom")) {
		m.crash()
	}
	return m.Codec.Unmarshal(data, v)
}

// A codec that panics, or ends its goroutine, ends the call as any panic does,
// whoever has called it.
func TestCodecPanics(t *testing.T) {
	boom := wrapperspb.String("boom")
	for name, begin := range map[string]func(r *subject){
		"write":            func(r *subject) { r.StartWrite(boom) },
		"write, finish":    func(r *subject) { r.StartWrite(boom); r.Finish(ok) },
		"write and finish": func(r *subject) { r.StartWriteAndFinish(boom, ok) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, isEarly := range []bool{true, false} {
				playCrash(t, begin, isEarly, "secret", func() { panic("secret") })
				playCrash(t, begin, isEarly, nil, runtime.Goexit)
			}
		})
	}
}

// So does one that has a message to decode: the Read has brought nothing.
func TestCodecPanicsOnARead(t *testing.T) {
	for name, crash := range map[string]func(){"panic": func() { panic("secret") }, "exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				if name == "exit" && s.opts != nil {
					return // Goexit inline would end the reader of the connection
				}
				latest := s.bidi(func(r *subject) { r.StartRead(&r.req) })
				s.Request(1, bidi.Name)
				s.WriteMessage(1, false, encoded("boom"))
				s.WantTrailers("the call has ended", 1, 13, "grpc-message", "panic in handler")
				s.WantRST("the client was not done", 1, http2.ErrCodeNo)
				s.want("every operation has its reaction", `read false ""`, "done")
				if len(s.panics) != 1 {
					s.Errorf("reported %v", s.panics)
				}
				latest()
			}, server.WithCodecs(mined{codec.Proto(), crash}))
		})
	}
}

// playCrash plays a call that begins something that crashes the codec.
func playCrash(t *testing.T, begin func(r *subject), isEarly bool, reported any, crash func()) {
	t.Helper()
	play(t, func(s *stage) {
		if isEarly && reported == nil && s.opts != nil {
			return // Goexit inline would end the reader of the connection
		}
		latest := s.bidi(func(r *subject) {
			if isEarly {
				begin(r)
			}
		})
		s.Request(1, bidi.Name)
		if r := latest(); !isEarly {
			go begin(r)
		}
		s.ended("OnDone comes")
		s.Until("the client is told", func(f frame) bool {
			return f.Value("grpc-status") == "13" || f.Type == http2.FrameRSTStream
		})
		if len(s.panics) != 1 || s.panics[0] != reported {
			s.Errorf("reported %v, want %v", s.panics, reported)
		}
	}, server.WithCodecs(mined{codec.Proto(), crash}))
}

// So does one that has the one request to decode, or a filter that crashes before: no
// handler runs, and no buffer is freed twice or never.
func TestPanicBeforeTheHandler(t *testing.T) {
	exits := func(context.Context, *call.Start) (context.Context, error) { runtime.Goexit(); return nil, nil }
	for name, opt := range map[string]server.Option{
		"codec panics": server.WithCodecs(mined{codec.Proto(), func() { panic("secret") }}),
		"codec exits":  server.WithCodecs(mined{codec.Proto(), runtime.Goexit}),
		"filter exits": server.WithFilter(exits),
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				if s.opts != nil && name != "codec panics" {
					return // Goexit inline would end the reader of the connection
				}
				s.serve(reactor.Unary(unary, func(*reactor.Context, *text, *text) reactor.UnaryReactor {
					t.Error("the handler runs")
					return nil
				}, s.opts...))
				s.unary(1, "boom")
				s.WantHeaders("the call has ended", 1, true, "grpc-status", "13")
				synctest.Wait()
				if name == "codec panics" && (len(s.panics) != 1 || s.panics[0] != "secret") {
					t.Errorf("reported %v", s.panics)
				}
			}, opt)
		})
	}
}

// A request that a filter refuses is not even decompressed.
func TestFilterRefusesBeforeTheCompressor(t *testing.T) {
	refuse := func(context.Context, *call.Start) (context.Context, error) {
		return nil, cqrpc.Errorf(cqrpc.CodePermissionDenied, "no")
	}
	play(t, func(s *stage) {
		s.serve(reactor.Unary(unary, func(*reactor.Context, *text, *text) reactor.UnaryReactor {
			t.Error("the handler runs")
			return nil
		}, s.opts...))
		s.Request(1, unary.Name, "grpc-encoding", "gzip")
		s.WriteData(1, true, []byte{1, 0, 0, 0, 1, 'x'})
		s.WantHeaders("INTERNAL would say that it was", 1, true, "grpc-status", "7")
	}, server.WithFilter(refuse))
}
