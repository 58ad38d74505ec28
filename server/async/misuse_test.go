package async_test

import (
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
)

// Every misuse is refused with an error that says what it is; of what is refused
// no tag comes, and the call goes on as if nothing had happened.
func TestMisuse(t *testing.T) {
	play(t, func(s *site) {
		refuse := func(why string, got, want error) { s.Helper(); refuse(s, why, got, want) }
		res := wrapperspb.String("res")
		d := s.talk(1)
		refuse("Request with the responder of a running call",
			s.bidi.Request(new(async.Context), &d.ReaderWriter, nil, s.q, "x"), async.ErrInUse)
		refuse("Request with the context of a running call",
			s.bidi.Request(&d.ctx, new(async.ReaderWriter[text, text]), nil, s.q, "x"), async.ErrInUse)
		refuse("Read into nil", d.Read(nil, "x"), call.ErrInvalidMessage)
		must(s, d.Read(&d.req, "read"))
		refuse("second outstanding Read", d.Read(&d.req, "x"), call.ErrTooManyOperations)
		must(s, d.SendInitialMetadata("header"))
		refuse("SendInitialMetadata twice", d.SendInitialMetadata("x"), server.ErrHeaderSent)
		s.want("it is out", "header")
		must(s, d.Write(wrapperspb.String(string(make([]byte, 1<<17))), "write"))
		refuse("second outstanding Write", d.Write(res, "x"), call.ErrTooManyOperations)
		refuse("WriteLast likewise", d.WriteLast(res, "x"), call.ErrTooManyOperations)
		refuse("WriteAndFinish likewise", d.WriteAndFinish(res, ok, "x"), call.ErrTooManyOperations)
		refuse("flag that no message has", d.Write(res, "x", call.WaitForReady), call.ErrInvalidFlags)
		s.peer.WriteWindowUpdate(1, 1<<20)
		s.peer.WriteWindowUpdate(0, 1<<20)
		s.want("written", "write")
		must(s, d.WriteLast(res, "last"))
		refuse("Write after WriteLast", d.Write(res, "x"), async.ErrWritesDone)
		refuse("WriteLast after WriteLast", d.WriteLast(res, "x"), async.ErrWritesDone)
		refuse("WriteAndFinish after WriteLast", d.WriteAndFinish(res, ok, "x"), async.ErrWritesDone)
		s.want("written", "last")
		must(s, d.Finish(ok, "finish"))
		for why, err := range map[string]error{
			"Finish twice": d.Finish(ok, "x"), "WriteAndFinish after Finish": d.WriteAndFinish(res, ok, "x"),
			"Write after Finish": d.Write(res, "x"), "Read after Finish": d.Read(&d.req, "x"),
			"SendInitialMetadata after Finish": d.SendInitialMetadata("x"),
		} {
			refuse(why, err, async.ErrFinished)
		}
		s.want("an orderly end", "!read", "finish")
		refuse("Request with the responder of a call that is over",
			s.bidi.Request(new(async.Context), &d.ReaderWriter, nil, s.q, "x"), async.ErrInUse)
		s.want("no tag of any of it")
	})
}

func TestMisuseBeforeTheCall(t *testing.T) {
	play(t, func(s *site) {
		var ctx async.Context
		var rw async.ReaderWriter[text, text]
		var m text
		all := func(when string) {
			for name, err := range map[string]error{
				"Read": rw.Read(&m, "x"), "Write": rw.Write(&m, "x"), "WriteLast": rw.WriteLast(&m, "x"),
				"WriteAndFinish": rw.WriteAndFinish(&m, ok, "x"), "Finish": rw.Finish(ok, "x"),
				"SendInitialMetadata": rw.SendInitialMetadata("x"),
			} {
				refuse(s, name+" "+when, err, async.ErrNotBound)
			}
			if rw.Call() != nil || ctx.Call() != nil {
				s.Error("there is a call")
			}
		}
		all("of what was not requested")
		refuse(s, "a queue that was not added", s.bidi.Request(&ctx, &rw, nil, cq.New(), "x"), server.ErrUnknownQueue)
		all("of what was refused")
		must(s, s.bidi.Request(&ctx, &rw, nil, s.q, "request"))
		all("of what has not come")
		refuse(s, "a second Request", s.bidi.Request(&ctx, &rw, nil, s.q, "x"), async.ErrInUse)
		s.want("no tag of any of it")
		s.peer.Request(1, bidi.Name)
		synctest.Wait()
		all("of what was not harvested")
		s.want("a call", "request")
		must(s, rw.Finish(ok, "finish"))
		s.want("as if nothing had happened", "finish")
	})
}

// One response means one: an OK without it is refused, and no FinishWithError.
func TestMisuseOfUnary(t *testing.T) {
	play(t, func(s *site) {
		var ctx async.Context
		var w async.ResponseWriter[text]
		var req text
		must(s, s.unary.Request(&ctx, &req, &w, nil, s.q, "request"))
		s.peer.Request(1, unary.Name)
		s.peer.WriteMessage(1, true, encoded("req"))
		s.want("a call", "request")
		refuse(s, "FinishWithError OK", w.FinishWithError(ok, "x"), async.ErrStatusOK)
		refuse(s, "a response that cannot be marshalled",
			w.Finish(wrapperspb.String("bad"), ok, "x"), call.ErrInvalidMessage)
		must(s, ctx.SetHeader(cqrpc.Pairs("h", "1"))) // it is not out
		must(s, w.Finish(&req, ok, "finish"))
		refuse(s, "Finish twice", w.Finish(&req, ok, "x"), async.ErrFinished)
		refuse(s, "FinishWithError after Finish", w.FinishWithError(teapot, "x"), async.ErrFinished)
		s.peer.WantResponse("the header", 1, "h", "1")
		s.peer.WantMessage("the response", 1, false, encoded("req"))
		s.peer.WantTrailers("the status", 1, 0)
		s.want("one event", "finish")
	}, server.WithCodecs(picky{codec.Proto()}))
}

// A context whose request was refused gives back its notices, whatever the
// reason: else their queue would never drain.
func TestNoticeOfARefusedRequest(t *testing.T) {
	play(t, func(s *site) {
		var ctx async.Context
		var w async.ResponseWriter[text]
		must(s, ctx.AsyncNotifyWhenDone(s.q, "notice"))
		refuse(s, "Request into nil", s.unary.Request(&ctx, nil, &w, nil, s.q, "x"), call.ErrInvalidMessage)
		s.want("the call will not come", "!notice")

		var rw async.ReaderWriter[text, text]
		must(s, s.bidi.Request(new(async.Context), &rw, nil, s.q, "request"))
		must(s, ctx.AsyncNotifyWhenDone(s.q, "notice"))
		refuse(s, "a responder in use", s.bidi.Request(&ctx, &rw, nil, s.q, "x"), async.ErrInUse)
		s.want("the call will not come", "!notice")
		s.peer.Request(1, bidi.Name)
		s.want("another's does", "request")
		must(s, rw.Finish(ok, "finish"))
		s.want("as if nothing had happened", "finish")
	})
}

// A message that cannot be marshalled takes nothing with it: not the header,
// not the end.
func TestMisuseTakesNothingWithIt(t *testing.T) {
	play(t, func(s *site) {
		d, bad := s.talk(1), wrapperspb.String("bad")
		must(s, d.ctx.SetHeader(cqrpc.Pairs("h", "1")))
		refuse(s, "Write", d.Write(bad, "x"), call.ErrInvalidMessage)
		refuse(s, "WriteLast", d.WriteLast(bad, "x"), call.ErrInvalidMessage)
		refuse(s, "WriteAndFinish", d.WriteAndFinish(bad, ok, "x"), call.ErrInvalidMessage)
		s.want("no tag of any of it")
		must(s, d.WriteAndFinish(wrapperspb.String("good"), ok, "finish"))
		s.peer.WantResponse("the header", 1, "h", "1")
		s.peer.WantMessage("the message", 1, false, encoded("good"))
		s.peer.WantTrailers("the status", 1, 0)
		s.want("done", "finish")
	}, server.WithCodecs(picky{codec.Proto()}))
}

// picky marshals everything but "bad".
type picky struct{ codec.Codec }

func (p picky) Append(dst []byte, v any) ([]byte, error) {
	if m, ok := v.(*text); ok && m.Value == "bad" {
		return dst, cqrpc.Errorf(cqrpc.CodeDataLoss, "bad")
	}
	return p.Codec.Append(dst, v)
}

// A method is registered once, and before the server serves.
func TestMisuseOfRegistration(t *testing.T) {
	all := func(s *server.Server) (errs [4]error) {
		_, errs[0] = async.RegisterUnary(s, unary)
		_, errs[1] = async.RegisterServerStream(s, serverStream)
		_, errs[2] = async.RegisterClientStream(s, clientStream)
		_, errs[3] = async.RegisterBidiStream(s, bidi)
		return errs
	}
	idle := server.New()
	all(idle)
	for _, err := range all(idle) {
		if err == nil {
			t.Error("a method was registered twice")
		}
	}
	play(t, func(s *site) {
		for _, err := range all(s.server) {
			refuse(s, "registration of a server that serves", err, server.ErrServing)
		}
	})
}

// On a bound queue that is finished nothing begins; the call can be given up.
func TestMisuseOfTheQueue(t *testing.T) {
	play(t, func(s *site) {
		bound := cq.New()
		bound.Shutdown()
		d := new(talk)
		must(s, s.bidi.Request(&d.ctx, &d.ReaderWriter, bound, s.q, "request"))
		s.peer.Request(1, bidi.Name)
		s.want("a call", "request")
		refuse(s, "Read", d.Read(&d.req, "x"), cq.ErrShutdown)
		refuse(s, "Write", d.Write(&d.req, "x"), cq.ErrShutdown)
		refuse(s, "SendInitialMetadata", d.SendInitialMetadata("x"), cq.ErrShutdown)
		refuse(s, "Finish", d.Finish(ok, "x"), cq.ErrShutdown)
		d.ctx.TryCancel()
		s.peer.WantTrailers("given up", 1, 1)
	})
}

// However operations of a call run into each other, each is refused or has its
// one event, and the call ends. The race detector says the rest.
func TestMisuseFromManyGoroutines(t *testing.T) {
	for range 20 {
		play(t, func(s *site) {
			s.peer.Request(1, bidi.Name)
			d := new(talk)
			var mu sync.Mutex
			accepted := 0
			race := func(ops ...func() error) {
				var all sync.WaitGroup
				for _, op := range ops {
					all.Go(func() {
						if op() == nil {
							mu.Lock()
							accepted++
							mu.Unlock()
						}
					})
				}
				all.Wait()
			}
			ask := func() error { return s.bidi.Request(&d.ctx, &d.ReaderWriter, nil, s.q, "request") }
			notice := func() error { return d.ctx.AsyncNotifyWhenDone(s.q, "x") }
			race(ask, ask, notice, notice, func() error { return d.Write(new(text), "x") })
			if accepted != 3 {
				s.Errorf("%d of one request and two notices were accepted", accepted)
			}
			if ev := s.q.Next(s.Context()); ev.Tag != "request" || !ev.OK {
				s.Fatalf("got %+v", ev)
			}
			race(notice, ask,
				func() error { return d.Read(new(text), "x") },
				func() error { return d.Read(new(text), "x") },
				func() error { return d.Write(new(text), "x") },
				func() error { return d.Write(wrapperspb.String("bad"), "x") },
				func() error { return d.WriteLast(wrapperspb.String("bad"), "x") },
				func() error { return d.WriteLast(new(text), "x") },
				func() error { return d.SendInitialMetadata("x") },
				func() error { return d.WriteAndFinish(wrapperspb.String("bad"), ok, "x") },
				func() error { return d.Finish(ok, "x") },
				func() error { return d.Finish(teapot, "x") },
			)
			d.ctx.TryCancel()
			s.peer.Until("the call ends", func(f h2peer.Frame) bool { return f.End() || f.Type == http2.FrameRSTStream })
			s.server.Close()
			got := 1
			for ev := s.q.Next(s.Context()); ev.Kind == cq.OpComplete; ev = s.q.Next(s.Context()) {
				got++
			}
			if got != accepted {
				s.Errorf("%d operations were accepted, and %d events came", accepted, got)
			}
		}, server.WithCodecs(picky{codec.Proto()}))
	}
}
