package reactor_test

import (
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
)

func (s *stage) echo() {
	s.serve(reactor.Unary(unary, func(ctx *reactor.Context, req, res *text) reactor.UnaryReactor {
		res.Value = "re: " + req.Value
		r := ctx.DefaultReactor()
		r.Finish(ok)
		return r
	}, s.opts...))
}

func TestDefaultReactor(t *testing.T) {
	play(t, func(s *stage) {
		s.echo()
		s.Request(1, unary.Name)
		s.WantIdle("no message, no answer")
		s.WriteMessage(1, true, encoded("hello"))
		s.WantResponse("the response begins with headers", 1)
		s.WantMessage("then the message", 1, false, encoded("re: hello"))
		s.WantTrailers("then the status", 1, 0)
		s.WantIdle("that is all")
	})
}

// The default reactor can be finished later, from any goroutine.
func TestDefaultReactorFinishedLater(t *testing.T) {
	play(t, func(s *stage) {
		var r *reactor.DefaultReactor
		s.serve(reactor.Unary(unary, func(ctx *reactor.Context, _, _ *text) reactor.UnaryReactor {
			if r = ctx.DefaultReactor(); r != ctx.DefaultReactor() {
				s.Error("a context has two default reactors")
			}
			return r
		}, s.opts...))
		s.unary(1, "x")
		s.WantIdle("not finished yet")
		r.Finish(cqrpc.Status{Code: cqrpc.CodeNotFound, Message: "no"})
		s.WantHeaders("Trailers-Only", 1, true, "grpc-status", "5", "grpc-message", "no")
		r.Finish(ok) // in vain
		s.unary(3, "x")
		s.WantIdle("not finished yet")
		s.WriteRST(3, http2.ErrCodeCancel)
		s.WantIdle("cancelled")
		r.Finish(ok)
		s.WantIdle("nobody is there")
	})
}

// finisher is the tutorial's custom unary reactor.
type finisher struct {
	reactor.UnaryBase
	s *stage
}

func (f *finisher) OnCancel() { f.s.note("cancel")() }
func (f *finisher) OnDone()   { f.s.note("done")() }

func TestCustomUnaryReactor(t *testing.T) {
	play(t, func(s *stage) {
		var latest *finisher
		s.serve(reactor.Unary(unary, func(_ *reactor.Context, req, res *text) reactor.UnaryReactor {
			latest = &finisher{s: s}
			if res.Value = req.Value; req.Value != "later" {
				latest.Finish(ok)
			}
			return latest
		}, s.opts...))
		s.unary(1, "x")
		s.WantResponse("headers", 1)
		s.WantMessage("message", 1, false, encoded("x"))
		s.WantTrailers("status", 1, 0)
		s.want("it ended well", "done")
		s.unary(3, "later")
		s.WantIdle("no answer yet")
		s.WriteRST(3, http2.ErrCodeCancel)
		s.want("the client is gone, and the library has finished the call", "cancel", "done")
		latest.Finish(ok)
		s.want("after OnDone nothing happens")
	})
}

// collector reads all requests.
type collector struct {
	reactor.ReadBase[text]
	s        *stage
	req, res *text
}

func (c *collector) OnReadDone(ok bool) {
	c.s.note("read %v", ok)()
	if !ok {
		c.Finish(cqrpc.Status{})
		return
	}
	c.res.Value += c.req.Value
	c.StartRead(c.req)
}

func (c *collector) OnDone() { c.s.note("done")() }

func TestClientStream(t *testing.T) {
	play(t, func(s *stage) {
		s.serve(reactor.ClientStream(clientStream, func(_ *reactor.Context, res *text) reactor.ReadReactor[text] {
			c := &collector{s: s, req: new(text), res: res}
			c.StartRead(c.req)
			return c
		}, s.opts...))
		s.Request(1, clientStream.Name)
		s.WriteMessage(1, false, encoded("a"))
		s.WriteMessage(1, true, encoded("b"))
		s.WantResponse("headers", 1)
		s.WantMessage("all in one", 1, false, encoded("ab"))
		s.WantTrailers("status", 1, 0)
		s.want("two and the end", "read true", "read true", "read false", "done")
	})
}

// printer writes the parts of what it was asked for.
type printer struct {
	reactor.WriteBase[text]
	s     *stage
	parts []string
	how   string
}

func (w *printer) next() {
	m := wrapperspb.String(w.parts[0])
	w.parts = w.parts[1:]
	switch {
	case len(w.parts) > 0:
		w.StartWrite(m)
	case w.how == "write and finish":
		w.StartWriteAndFinish(m, cqrpc.Status{Message: "bye"})
	case w.how == "write last":
		w.StartWriteLast(m)
		w.Finish(ok)
	default:
		w.StartWrite(m)
	}
}

func (w *printer) OnWriteDone(isOK bool) {
	w.s.note("write %v", isOK)()
	if len(w.parts) == 0 {
		w.Finish(ok)
		return
	}
	w.next()
}

func (w *printer) OnDone() { w.s.note("done")() }

func TestServerStream(t *testing.T) {
	for how, want := range map[string][]string{
		"write":            {"write true", "write true", "done"},
		"write last":       {"write true", "write true", "done"},
		"write and finish": {"write true", "done"},
	} {
		play(t, func(s *stage) {
			s.serve(reactor.ServerStream(serverStream, func(_ *reactor.Context, req *text) reactor.WriteReactor[text] {
				w := &printer{s: s, parts: []string{req.Value + "1", req.Value + "2"}, how: how}
				w.next()
				return w
			}, s.opts...))
			s.Request(1, serverStream.Name)
			s.WriteMessage(1, true, encoded("x"))
			s.WantResponse("headers", 1)
			s.WantMessage("first", 1, false, encoded("x1"))
			s.WantMessage("second", 1, false, encoded("x2"))
			s.WantTrailers("status", 1, 0)
			s.want(how, want...)
		})
	}
}

func TestBidiStream(t *testing.T) {
	play(t, func(s *stage) {
		s.bidi(func(r *subject) {
			r.onRead = func(isOK bool) {
				if !isOK {
					r.Finish(ok)
					return
				}
				r.StartWrite(&r.req)
			}
			r.onWrite = func(bool) { r.StartRead(&r.req) }
			r.StartRead(&r.req)
		})
		s.Request(1, bidi.Name)
		s.WriteMessage(1, false, encoded("ping"))
		s.WantResponse("headers with the first answer", 1)
		s.WantMessage("first", 1, false, encoded("ping"))
		s.WriteMessage(1, false, encoded("pong"))
		s.WantMessage("second", 1, false, encoded("pong"))
		s.WriteData(1, true, nil)
		s.WantTrailers("status", 1, 0)
		s.want("in turn", `read true "ping"`, "write true", `read true "pong"`, "write true", `read false ""`, "done")
	})
}

// bytesEcho is a generic reactor.
type bytesEcho struct {
	reactor.BidiBase[[]byte, []byte]
	req []byte
}

func (e *bytesEcho) OnReadDone(ok bool) {
	if ok {
		e.StartWriteAndFinish(&e.req, cqrpc.Status{})
	}
}

func TestGeneric(t *testing.T) {
	play(t, func(s *stage) {
		var method string
		s.serve(reactor.Generic(func(ctx *reactor.Context) reactor.BidiReactor[[]byte, []byte] {
			method = ctx.Method()
			e := new(bytesEcho)
			e.StartRead(&e.req)
			return e
		}, s.opts...))
		s.Request(1, "/any.Service/Method")
		s.WriteMessage(1, true, []byte("raw"))
		s.WantResponse("headers", 1)
		s.WantMessage("the same bytes", 1, false, []byte("raw"))
		s.WantTrailers("status", 1, 0)
		if method != "/any.Service/Method" {
			s.Error(method)
		}
	})
}

// No reactor is no implementation.
func TestNilReactor(t *testing.T) {
	play(t, func(s *stage) {
		s.serve(
			reactor.Unary(unary, func(*reactor.Context, *text, *text) reactor.UnaryReactor { return nil }, s.opts...),
			reactor.ServerStream(serverStream, func(*reactor.Context, *text) reactor.WriteReactor[text] { return nil }, s.opts...),
			reactor.ClientStream(clientStream, func(*reactor.Context, *text) reactor.ReadReactor[text] { return nil }, s.opts...),
			reactor.BidiStream(bidi, func(*reactor.Context) reactor.BidiReactor[text, text] { return nil }, s.opts...),
		)
		s.Ignore(http2.FrameRSTStream) // who did not wait for the half-close asks for no more
		for i, method := range []string{unary.Name, serverStream.Name, clientStream.Name, bidi.Name} {
			id := uint32(2*i + 1)
			s.Request(id, method)
			s.WriteMessage(id, true, encoded("x"))
			f := s.WantTrailers("UNIMPLEMENTED", id, 12)
			if m := f.Value("grpc-message"); m != "the handler of "+method+" returned no reactor" {
				s.Errorf("message is %q", m)
			}
		}
	})
}

// A method with one request gets exactly one, or its handler does not run.
func TestRequestCardinality(t *testing.T) {
	play(t, func(s *stage) {
		s.serve(
			reactor.Unary(unary, func(*reactor.Context, *text, *text) reactor.UnaryReactor {
				s.Error("the handler ran")
				return nil
			}, s.opts...),
			reactor.ServerStream(serverStream, func(*reactor.Context, *text) reactor.WriteReactor[text] {
				s.Error("the handler ran")
				return nil
			}, s.opts...))
		id := uint32(1)
		for _, method := range []string{unary.Name, serverStream.Name} {
			s.Request(id, method)
			s.WriteData(id, true, nil)
			s.WantTrailers("no message", id, 12, "grpc-message", "no request message where the method has one")
			id += 2
			s.Request(id, method)
			s.WriteMessage(id, false, encoded("one"))
			s.WriteMessage(id, true, encoded("two"))
			s.WantTrailers("two messages", id, 12)
			id += 2
			s.Request(id, method)
			s.WriteMessage(id, true, []byte{0xff})
			s.WantTrailers("no message of this type", id, 13)
			id += 2
			s.Request(id, method)
			s.WriteRST(id, http2.ErrCodeCancel)
			s.WantIdle("the client is gone")
			id += 2
		}
	})
}

// The flags of a message count, however it is sent, before the reactor has its call or after.
func TestFlagsOfMessages(t *testing.T) {
	m := wrapperspb.String(strings.Repeat("x", 1000))
	for name, send := range map[string]func(r *subject){
		"StartWrite":          func(r *subject) { r.StartWrite(m, call.NoCompress) },
		"StartWriteLast":      func(r *subject) { r.StartWriteLast(m, call.NoCompress) },
		"StartWriteAndFinish": func(r *subject) { r.StartWriteAndFinish(m, ok, call.NoCompress) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, isEarly := range []bool{true, false} {
				play(t, func(s *stage) {
					latest := s.bidi(func(r *subject) {
						if isEarly {
							send(r)
						}
					})
					s.Request(1, bidi.Name, "grpc-accept-encoding", "gzip")
					r := latest()
					if !isEarly {
						send(r)
					}
					r.Finish(ok) // in vain after StartWriteAndFinish
					s.WantResponse("the header", 1)
					s.WantMessage("not compressed", 1, false, encoded(m.Value))
					s.WantTrailers("the status", 1, 0)
					s.WantRST("the client was not done", 1, http2.ErrCodeNo)
					s.ended("OnDone comes")
				}, server.WithCompressor("gzip"))
			}
		})
	}
}

// OK may have more to say, too.
func TestStatusOKWithMessageAndDetails(t *testing.T) {
	detail, err := anypb.New(wrapperspb.String("d"))
	if err != nil {
		t.Fatal(err)
	}
	for name, st := range map[string]cqrpc.Status{
		"grpc-message":            {Message: "fine"},
		"grpc-status-details-bin": {Details: []*anypb.Any{detail}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				s.bidi(func(r *subject) { r.Finish(st) })
				s.Request(1, bidi.Name)
				s.WantTrailers("the status", 1, 0, name, "*")
				s.WantRST("the client was not done", 1, http2.ErrCodeNo)
				s.want("served", "done")
			})
		})
	}
}
