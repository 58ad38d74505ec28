package async_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
)

// What goes over the wire for each way to end a unary call.
func TestUnaryResponses(t *testing.T) {
	type responder = async.ResponseWriter[text]
	res, header := wrapperspb.String("res"), cqrpc.Pairs("h", "1")
	tests := []struct {
		name   string
		header cqrpc.Metadata
		finish func(w *responder) error
		want   func(s *site)
	}{
		{
			"Finish", header, func(w *responder) error { return w.Finish(res, ok, "finish") },
			func(s *site) {
				s.peer.WantResponse("the header goes along", 1, "h", "1")
				s.peer.WantMessage("the response", 1, false, encoded("res"))
				s.peer.WantTrailers("the status", 1, 0, "t", "2")
			},
		},
		{
			"Finish with a status that is not OK drops the response", nil,
			func(w *responder) error { return w.Finish(res, teapot, "finish") },
			func(s *site) {
				s.peer.WantTrailers("Trailers-Only", 1, 9, ":status", "200", "grpc-message", "teapot", "t", "2")
			},
		},
		{
			"FinishWithError", nil, func(w *responder) error { return w.FinishWithError(teapot, "finish") },
			func(s *site) { s.peer.WantTrailers("Trailers-Only", 1, 9, ":status", "200", "t", "2") },
		},
		{
			"FinishWithError with a header", header,
			func(w *responder) error { return w.FinishWithError(teapot, "finish") },
			func(s *site) {
				s.peer.WantResponse("so that it is not lost", 1, "h", "1")
				s.peer.WantTrailers("the status", 1, 9, "t", "2")
			},
		},
		{
			"SendInitialMetadata", header,
			func(w *responder) error {
				return errors.Join(w.SendInitialMetadata("header"), w.FinishWithError(teapot, "finish"))
			},
			func(s *site) {
				s.peer.WantResponse("on its own", 1, "h", "1")
				s.peer.WantTrailers("the status", 1, 9, "t", "2")
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			play(t, func(s *site) {
				var ctx async.Context
				var w responder
				var req text
				must(s, s.unary.Request(&ctx, &req, &w, nil, s.q, "request"))
				s.peer.Request(1, unary.Name, "k", "v", "grpc-timeout", "1S")
				s.want("the request is missing")
				s.peer.WriteMessage(1, true, encoded("req"))
				s.want("now it is a call", "request")
				d, _ := ctx.Deadline()
				if req.Value != "req" || ctx.Metadata().Get("k") != "v" || ctx.Method() != unary.Name ||
					ctx.Authority() != "h2peer.test" || !d.Equal(time.Now().Add(time.Second)) || w.Call() == nil {
					s.Errorf("request %q, context %v of %v", req.Value, &ctx, ctx.Metadata())
				}
				must(s, errors.Join(ctx.SetHeader(test.header), ctx.SetTrailer(cqrpc.Pairs("t", "2"))))
				must(s, test.finish(&w))
				test.want(s)
				tags := []string{"finish"}
				if test.name == "SendInitialMetadata" {
					tags = append(tags, "header")
				}
				s.want("done", tags...)
				if ctx.IsCancelled() {
					s.Error("an answered call is not cancelled")
				}
			})
		})
	}
}

// The writes of a stream, down to the wire.
func TestStreamResponses(t *testing.T) {
	play(t, func(s *site) {
		d := s.talk(1)
		must(s, d.ctx.SetHeader(cqrpc.Pairs("h", "1")))
		must(s, d.Write(wrapperspb.String("1"), "write"))
		s.peer.WantResponse("the header goes with the first message", 1, "h", "1")
		s.peer.WantMessage("the first", 1, false, encoded("1"))
		s.want("written", "write")
		must(s, d.WriteLast(wrapperspb.String("2"), "last"))
		s.want("completes at once", "last")
		s.peer.WantMessage("and is not held back until Finish", 1, false, encoded("2"))
		must(s, d.Finish(ok, "finish"))
		s.peer.WantTrailers("the status", 1, 0)
		s.peer.WantRST("the client was not done", 1, http2.ErrCodeNo)
		s.want("done", "finish")

		d = s.talk(3)
		must(s, d.WriteAndFinish(wrapperspb.String("1"), teapot, "finish"))
		s.peer.WantResponse("everything in one batch", 3)
		s.peer.WantMessage("the message", 3, false, encoded("1"))
		s.peer.WantTrailers("the status", 3, 9)
		s.peer.WantRST("the client was not done", 3, http2.ErrCodeNo)
		s.want("done", "finish")

		d = s.talk(5)
		must(s, d.Finish(ok, "finish"))
		s.peer.WantTrailers("nothing was sent: Trailers-Only", 5, 0, ":status", "200")
		s.peer.WantRST("the client was not done", 5, http2.ErrCodeNo)
		s.want("done", "finish")
	})
}

// The status follows a Write that is outstanding; a Read that is ends.
func TestFinishWithOperationsOutstanding(t *testing.T) {
	play(t, func(s *site) {
		d := s.talk(1)
		large := string(make([]byte, 100_000)) // more than the window
		must(s, d.Read(&d.req, "read"))
		must(s, d.Write(wrapperspb.String(large), "write"))
		must(s, d.Finish(teapot, "finish"))
		s.want("nothing has ended while the client takes nothing")
		s.peer.WantResponse("the header", 1)
		s.peer.WriteWindowUpdate(0, 1<<20)
		s.peer.WriteWindowUpdate(1, 1<<20)
		s.peer.WantMessage("the response", 1, false, encoded(large))
		s.peer.WantTrailers("the status", 1, 9)
		s.peer.WantRST("the client was not done", 1, http2.ErrCodeNo)
		s.want("both writes are out", "write", "finish", "!read")
	})
}

// The writer's methods are the reader-writer's.
func TestServerStreamResponses(t *testing.T) {
	play(t, func(s *site) {
		var ctx async.Context
		var w async.Writer[text]
		var req text
		must(s, s.serverStream.Request(&ctx, &req, &w, nil, s.q, "request"))
		s.peer.Request(1, serverStream.Name)
		s.peer.WriteMessage(1, true, encoded("req"))
		s.want("a call", "request")
		must(s, w.Write(&req, "write", call.BufferHint, call.NoCompress))
		s.want("written", "write")
		must(s, w.WriteLast(&req, "last"))
		s.want("written", "last")
		must(s, w.Finish(teapot, "finish"))
		s.peer.WantResponse("implied", 1)
		s.peer.WantMessage("one", 1, false, encoded("req"))
		s.peer.WantMessage("two", 1, false, encoded("req"))
		s.peer.WantTrailers("the status", 1, 9)
		s.want("done", "finish")

		var another async.Context
		w = async.Writer[text]{} // the old one is done for
		must(s, s.serverStream.Request(&another, &req, &w, nil, s.q, "request"))
		s.peer.Request(3, serverStream.Name)
		s.peer.WriteMessage(3, true, encoded("req"))
		s.want("a call", "request")
		must(s, w.WriteAndFinish(&req, ok, "finish"))
		s.peer.WantResponse("implied", 3)
		s.peer.WantMessage("one", 3, false, encoded("req"))
		s.peer.WantTrailers("the status", 3, 0)
		s.want("done", "finish")
	})
}

// Requests are read one by one; a call may be answered before they end.
func TestClientStreamRequests(t *testing.T) {
	play(t, func(s *site) {
		var ctx [2]async.Context
		var r [2]async.Reader[text, text]
		for i := range r {
			must(s, s.clientStream.Request(&ctx[i], &r[i], nil, s.q, "request"))
		}
		var req text
		s.peer.Request(1, clientStream.Name)
		s.want("given out at once", "request")
		must(s, r[0].Read(&req, "read"))
		s.peer.WriteMessage(1, false, encoded("1"))
		s.want("one", "read")
		must(s, r[0].Read(&req, "read"))
		s.want("wait")
		s.peer.WriteData(1, true, nil)
		if ev := s.want("the half-close", "!read"); !errors.Is(ev[0].Err, call.ErrEnded) {
			s.Errorf("the reason is %v", ev[0].Err)
		}
		must(s, r[0].Finish(&req, ok, "finish"))
		s.peer.WantResponse("implied", 1)
		s.peer.WantMessage("the response", 1, false, encoded("1"))
		s.peer.WantTrailers("the status", 1, 0)
		s.want("done", "finish")

		s.peer.Request(3, clientStream.Name)
		s.peer.WriteMessage(3, false, encoded("unread"))
		s.want("given out at once", "request")
		must(s, r[1].FinishWithError(teapot, "finish"))
		s.peer.WantTrailers("the status", 3, 9)
		s.peer.WantRST("the client was not done", 3, http2.ErrCodeNo)
		s.want("done", "finish")
	})
}

// A request that cannot be one never reaches the application, and its Request
// waits for the next call.
func TestUnusableRequests(t *testing.T) {
	play(t, func(s *site) {
		var ctx async.Context
		var w async.ResponseWriter[text]
		var req text
		must(s, s.unary.Request(&ctx, &req, &w, nil, s.q, "request"))
		must(s, ctx.AsyncNotifyWhenDone(s.q, "done"))
		s.peer.Request(1, unary.Name)
		s.peer.WriteMessage(1, true, []byte{0xff})
		s.want("not a message")
		s.peer.WantTrailers("the client is told", 1, 13)
		s.peer.Request(3, unary.Name)
		s.peer.WriteData(3, true, nil)
		s.want("no message")
		s.peer.WantTrailers("the client is told", 3, 12)
		s.peer.Request(5, unary.Name)
		s.peer.WriteMessage(5, true, encoded("req"))
		s.want("at last", "request")
		must(s, w.Finish(&req, ok, "finish"))
		s.want("the end", "finish", "done")
	})
}

// What is outstanding on a bound queue comes out there; with nil, where the
// request does.
func TestBoundQueue(t *testing.T) {
	play(t, func(s *site) {
		bound := cq.New()
		defer bound.Shutdown()
		d := new(talk)
		must(s, s.bidi.Request(&d.ctx, &d.ReaderWriter, bound, s.q, "request"))
		s.peer.Request(1, bidi.Name)
		s.want("notified here", "request")
		must(s, d.Finish(ok, "finish"))
		s.wantOf("and bound there", bound, "finish")
	})
}

// Calls of methods that are not registered, as bytes.
func TestGenericService(t *testing.T) {
	play(t, func(s *site) {
		generic := async.NewGenericService(s.server)
		var ctx async.Context
		var rw async.ReaderWriter[[]byte, []byte]
		must(s, generic.RequestCall(&ctx, &rw, nil, s.q, "request"))
		s.peer.Request(1, "/any/Thing")
		s.peer.WriteMessage(1, true, []byte("raw"))
		s.want("a call", "request")
		var got []byte
		must(s, rw.Read(&got, "read"))
		s.want("bytes", "read")
		must(s, rw.WriteAndFinish(&got, ok, "finish"))
		s.peer.WantResponse("implied", 1)
		s.peer.WantMessage("bytes", 1, false, []byte("raw"))
		s.peer.WantTrailers("the status", 1, 0)
		s.want("the end", "finish")
		if ctx.Method() != "/any/Thing" {
			s.Errorf("method is %q", ctx.Method())
		}
	})
}

// A call that waits for a message is no goroutine.
func TestIdleCallsAreNoGoroutines(t *testing.T) {
	play(t, func(s *site) {
		before := leak.InBubble()
		var talks [10]*talk
		for i := range talks {
			talks[i] = s.talk(uint32(2*i + 1))
			must(s, talks[i].Read(&talks[i].req, i))
		}
		s.want("they are idle")
		if n := leak.InBubble(); n > before {
			s.Errorf("%d goroutines more", n-before)
		}
		s.peer.Close()
		s.want("they end", "!0", "!1", "!2", "!3", "!4", "!5", "!6", "!7", "!8", "!9")
		for _, d := range talks {
			must(s, d.Finish(ok, "finish"))
		}
	})
}

// The context of a call ends with it, for whoever derives another from it.
func TestContextEndsWithTheCall(t *testing.T) {
	play(t, func(s *site) {
		d := s.talk(1)
		derived, cancel := context.WithCancel(&d.ctx)
		defer cancel()
		info, isOurs := server.Incoming(derived)
		if !isOurs || info.Method != bidi.Name || derived.Err() != nil {
			s.Errorf("info %+v, err %v", info, derived.Err())
		}
		s.peer.WriteRST(1, http2.ErrCodeCancel)
		<-derived.Done()
		if !d.ctx.IsCancelled() {
			s.Error("the client has cancelled")
		}
		must(s, d.Finish(ok, "finish"))
		s.want("too late", "!finish")
	})
}

// A method with one request gets exactly one, or the application sees nothing of the call.
func TestOneRequest(t *testing.T) {
	play(t, func(s *site) {
		var ctx, streamCtx async.Context
		var req, streamReq text
		var one async.ResponseWriter[text]
		var many async.Writer[text]
		must(s, s.unary.Request(&ctx, &req, &one, nil, s.q, "unary"))
		must(s, s.serverStream.Request(&streamCtx, &streamReq, &many, nil, s.q, "stream"))
		for i, method := range []string{unary.Name, serverStream.Name} {
			id := uint32(4*i + 1)
			s.peer.Request(id, method)
			s.peer.WriteMessage(id, false, encoded("one"))
			s.peer.WriteMessage(id, true, encoded("two"))
			s.want("nothing for the application")
			s.peer.WantTrailers("two are too many", id, int(cqrpc.CodeUnimplemented))
			s.peer.Request(id+2, method)
			s.peer.WriteData(id+2, true, nil)
			s.want("nothing for the application")
			s.peer.WantTrailers("none is too few", id+2, int(cqrpc.CodeUnimplemented))
		}
	})
}
