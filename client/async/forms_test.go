package async_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/async"
	serverasync "github.com/cqrpc/cqrpc/server/async"
)

// Nothing is sent, and the request not marshalled, before Finish: then all of it
// is one batch.
func TestUnaryBeginsInFinish(t *testing.T) {
	play(t, func(s *stage) {
		var ctx serverasync.Context
		var w serverasync.ResponseWriter[text]
		var got, res text
		var st cqrpc.Status
		must(s, s.unary.Request(&ctx, &got, &w, nil, s.sq, "request"))
		req := &text{Value: "too early"}
		r := async.Unary(s.Context(), s.ch, unary, req, s.cq)
		s.want("nothing is sent", s.sq)
		req.Value = "req"
		must(s, r.Finish(&res, &st, "finish"))
		req.Value = "too late"
		s.want("the call comes", s.sq, "request")
		must(s, w.Finish(wrapperspb.String("re: "+got.Value), cqrpc.Status{}, "finish"))
		s.want("one event on either side", s.sq, "finish")
		s.want("one event on either side", s.cq, "finish")
		if res.Value != "re: req" || st.Code != cqrpc.CodeOK {
			s.Errorf("got %q, %v", res.Value, st)
		}
	})
}

// A method with one response gets one (gRPC statuscodes.md, cardinality violations). The
// server's method has the name of another shape.
func TestTwoResponses(t *testing.T) {
	for name, start := range map[string]func(s *stage, res *text, st *cqrpc.Status) error{
		"unary": func(s *stage, res *text, st *cqrpc.Status) error {
			m := call.Method[text, text]{Name: bidi.Name, Shape: call.Unary}
			return async.Unary(s.Context(), s.ch, m, &text{}, s.cq).Finish(res, st, "finish")
		},
		"client streaming": func(s *stage, res *text, st *cqrpc.Status) error {
			m := call.Method[text, text]{Name: bidi.Name, Shape: call.ClientStream}
			w := async.PrepareClientStream(s.Context(), s.ch, m, res, s.cq)
			return errors.Join(w.StartCallCorked(), w.Finish(st, "finish"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				var ctx serverasync.Context
				var rw serverasync.ReaderWriter[text, text]
				var res text
				var st cqrpc.Status
				must(s, s.bidi.Request(&ctx, &rw, s.sq, s.sq, "request"))
				must(s, start(s, &res, &st))
				s.want("the call comes", s.sq, "request")
				for _, m := range []string{"one", "two"} {
					must(s, rw.Write(wrapperspb.String(m), "write"))
					s.want("a response", s.sq, "write")
				}
				must(s, rw.Finish(cqrpc.Status{}, "finish"))
				s.want("the end", s.cq, "finish")
				s.want("the client has reset the stream", s.sq, "!finish")
				s.wantStatus("two responses", st, cqrpc.CodeUnimplemented)
			})
		})
	}
}

// With ReadInitialMetadata a unary call is two batches.
func TestUnaryReadsInitialMetadata(t *testing.T) {
	play(t, func(s *stage) {
		var ctx serverasync.Context
		var w serverasync.ResponseWriter[text]
		var req, res text
		var st cqrpc.Status
		must(s, s.unary.Request(&ctx, &req, &w, s.sq, s.sq, "request"))
		r := async.PrepareUnary(s.Context(), s.ch, unary, &text{Value: "req"}, s.cq)
		must(s, r.StartCall())
		must(s, r.ReadInitialMetadata("header"))
		s.want("the call comes", s.sq, "request")
		if r.Header() != nil || r.Peer().Addr == nil {
			s.Errorf("header %v, peer %v", r.Header(), r.Peer())
		}
		must(s, ctx.SetHeader(cqrpc.Pairs("h", "1")))
		must(s, ctx.SetTrailer(cqrpc.Pairs("t", "2")))
		must(s, w.SendInitialMetadata("header"))
		s.want("the header alone", s.sq, "header")
		s.want("the header alone", s.cq, "header")
		if got := r.Header().Get("h"); got != "1" {
			s.Errorf("header is %q", got)
		}
		must(s, r.Finish(&res, &st, "finish"))
		must(s, w.Finish(wrapperspb.String("res"), cqrpc.Status{}, "finish"))
		s.want("the rest", s.sq, "finish")
		s.want("the rest", s.cq, "finish")
		if res.Value != "res" || r.Trailer().Get("t") != "2" {
			s.Errorf("got %q with trailer %v", res.Value, r.Trailer())
		}
	})
}

// HeaderTo, TrailerTo and PeerTo are filled when Finish is harvested; nobody has
// to take the response.
func TestOptionsThatTell(t *testing.T) {
	play(t, func(s *stage) {
		var ctx serverasync.Context
		var w serverasync.ResponseWriter[text]
		var req text
		var st cqrpc.Status
		var header, trailer cqrpc.Metadata
		var peer call.Peer
		must(s, s.unary.Request(&ctx, &req, &w, s.sq, s.sq, "request"))
		r := async.Unary(s.Context(), s.ch, unary, &req, s.cq, client.WithMetadata(cqrpc.Pairs("k", "v")),
			client.HeaderTo(&header), client.TrailerTo(&trailer), client.PeerTo(&peer))
		must(s, r.Finish(nil, &st, "finish"))
		s.want("the call comes", s.sq, "request")
		must(s, errors.Join(ctx.SetHeader(cqrpc.Pairs("h", "1")), ctx.SetTrailer(cqrpc.Pairs("t", "2"))))
		must(s, w.Finish(&req, cqrpc.Status{}, "finish"))
		synctest.Wait()
		if header != nil || trailer != nil || peer.Addr != nil {
			s.Error("told before the event was harvested")
		}
		s.want("the end", s.cq, "finish")
		s.want("the end", s.sq, "finish")
		if header.Get("h") != "1" || trailer.Get("t") != "2" || peer.Addr == nil || ctx.Metadata().Get("k") != "v" {
			s.Errorf("header %v, trailer %v, peer %v, request %v", header, trailer, peer, ctx.Metadata())
		}
		if st.Code != cqrpc.CodeOK {
			s.Errorf("without a response to take the status is %v", st)
		}
	})
}

// Request and half-close ride with the start; responses are read one by one.
func TestServerStream(t *testing.T) {
	play(t, func(s *stage) {
		var ctx serverasync.Context
		var w serverasync.Writer[text]
		var req, res text
		var st cqrpc.Status
		must(s, s.serverStream.Request(&ctx, &req, &w, s.sq, s.sq, "request"))
		r := async.PrepareServerStream(s.Context(), s.ch, serverStream, &text{Value: "req"}, s.cq)
		s.want("nothing is sent", s.sq)
		must(s, r.StartCall("start"))
		s.want("it is out", s.cq, "start")
		s.want("the call comes", s.sq, "request")
		must(s, w.Write(wrapperspb.String("1"), "write"))
		must(s, r.Read(&res, "read"))
		s.want("one", s.sq, "write")
		s.want("one", s.cq, "read")
		if res.Value != "1" || req.Value != "req" {
			s.Errorf("got %q for %q", res.Value, req.Value)
		}
		must(s, w.WriteAndFinish(wrapperspb.String("2"), teapot, "finish"))
		s.want("another", s.sq, "finish")
		must(s, r.Read(&res, "read"))
		s.want("is not lost, although the status is not OK", s.cq, "read")
		must(s, r.Read(&res, "read"))
		s.want("no more", s.cq, "!read")
		must(s, r.Finish(&st, "finish"))
		s.want("the status", s.cq, "finish")
		s.wantStatus("the status", st, teapot.Code, teapot.Message)
	})
}

// A corked call sends its initial metadata with what comes first.
func TestCorkedCallOpensWithTheFirstOperation(t *testing.T) {
	for name, first := range map[string]func(w *async.Writer[text], st *cqrpc.Status) error{
		"Write":      func(w *async.Writer[text], _ *cqrpc.Status) error { return w.Write(&text{}, "first") },
		"WriteLast":  func(w *async.Writer[text], _ *cqrpc.Status) error { return w.WriteLast(&text{}, "first") },
		"WritesDone": func(w *async.Writer[text], _ *cqrpc.Status) error { return w.WritesDone("first") },
		"Finish":     func(w *async.Writer[text], st *cqrpc.Status) error { return w.Finish(st, "finish") },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				var ctx serverasync.Context
				var r serverasync.Reader[text, text]
				var res text
				var st cqrpc.Status
				must(s, s.clientStream.Request(&ctx, &r, s.sq, s.sq, "request"))
				w := async.PrepareClientStream(s.Context(), s.ch, clientStream, &res, s.cq)
				must(s, w.StartCallCorked())
				must(s, w.ReadInitialMetadata("header"))
				s.want("nothing is sent", s.sq)
				s.want("and there is no tag", s.cq)
				must(s, first(w, &st))
				s.want("the call comes", s.sq, "request")
				if name != "Finish" {
					s.want("it is out", s.cq, "first")
					must(s, w.Finish(&st, "finish"))
				}
				must(s, r.Finish(wrapperspb.String("res"), cqrpc.Status{}, "finish"))
				s.want("the end", s.sq, "finish")
				s.want("the end", s.cq, "finish", "header")
				s.wantStatus("the end", st, cqrpc.CodeOK)
				if res.Value != "res" {
					s.Errorf("got %q", res.Value)
				}
			})
		})
	}
}

// A client that only calls Finish does not keep a server waiting that reads to
// the end of the requests.
func TestFinishHalfCloses(t *testing.T) {
	play(t, func(s *stage) {
		d := s.talk(s.Context(), "")
		must(s, d.client.Write(&text{Value: "1"}, "write"))
		must(s, d.client.Finish(&d.status, "finish"))
		s.want("the status waits", s.cq, "write")
		must(s, d.server.Read(&d.req, "read"))
		s.want("a request", s.sq, "read")
		must(s, d.server.Read(&d.req, "read"))
		s.want("and no more", s.sq, "!read")
		must(s, d.server.Finish(cqrpc.Status{}, "finish"))
		s.want("the end", s.sq, "finish", "done")
		s.want("the end", s.cq, "finish")
	})
}

// Responses that nobody reads hold back neither an OK nor the server.
func TestFinishDropsUnreadResponses(t *testing.T) {
	play(t, func(s *stage) {
		d := s.talk(s.Context(), "")
		must(s, d.server.Write(huge, "write"))
		s.want("the window is shut", s.sq)
		must(s, d.client.Finish(&d.status, "finish"))
		s.want("it is opened", s.sq, "write")
		must(s, d.server.WriteAndFinish(&text{Value: "2"}, cqrpc.Status{}, "finish"))
		s.want("the end", s.sq, "finish", "done")
		s.want("the end", s.cq, "finish")
		s.wantStatus("nothing is wrong", d.status, cqrpc.CodeOK)
		refuse(s, "nobody reads any more", d.client.Read(&d.res, "read"), async.ErrFinished)
	})
}

// Who is reading when Finish is called reads on, to the last response.
func TestFinishLetsReadingGoOn(t *testing.T) {
	play(t, func(s *stage) {
		d := s.talk(s.Context(), "")
		must(s, d.client.Read(&d.res, "read"))
		must(s, d.client.Finish(&d.status, "finish"))
		must(s, d.server.Write(&text{Value: "1"}, "write"))
		s.want("sent", s.sq, "write")
		must(s, d.server.WriteAndFinish(&text{Value: "2"}, cqrpc.Status{}, "finish"))
		s.want("sent", s.sq, "finish", "done")
		s.want("a response, and an OK that waits", s.cq, "read")
		first := d.res.Value
		must(s, d.client.Read(&d.res, "read"))
		s.want("the last is taken", s.cq, "read", "finish")
		if first != "1" || d.res.Value != "2" {
			s.Errorf("read %q, %q", first, d.res.Value)
		}
		must(s, d.client.Read(&d.res, "read"))
		s.want("no more", s.cq, "!read")
	})
}

// A call that is cancelled before it starts is over when it does.
func TestTryCancelBeforeTheStart(t *testing.T) {
	play(t, func(s *stage) {
		ended, cancel := context.WithCancel(s.Context())
		cancel()
		byContext := async.PrepareBidiStream(ended, s.ch, bidi, s.cq)
		byHand := async.PrepareBidiStream(s.Context(), s.ch, bidi, s.cq)
		byHand.TryCancel()
		for _, rw := range []*async.ReaderWriter[text, text]{byContext, byHand} {
			var st cqrpc.Status
			must(s, rw.StartCall("start"))
			s.want("too late", s.cq, "!start")
			must(s, rw.Finish(&st, "finish"))
			s.want("the status says so", s.cq, "finish")
			s.wantStatus("cancelled", st, cqrpc.CodeCanceled)
		}
	})
}

// Messages that are bytes, to a method of any shape, and from none that is
// registered.
func TestGeneric(t *testing.T) {
	play(t, func(s *stage) {
		generic := serverasync.NewGenericService(s.server)
		var ctx [2]serverasync.Context
		var served [2]serverasync.ReaderWriter[[]byte, []byte]
		must(s, generic.RequestCall(&ctx[0], &served[0], s.sq, s.sq, "generic"))
		rw, err := async.GenericCall(s.Context(), s.ch, "/any/Thing", s.cq, "start")
		must(s, err)
		s.want("a call", s.cq, "start")
		s.want("of what is not registered", s.sq, "generic")
		if got := ctx[0].Method(); got != "/any/Thing" || ctx[0].Call().ContentSubtype() != "" {
			s.Errorf("method %q, content-subtype %q", got, ctx[0].Call().ContentSubtype())
		}
		req, got, res := []byte("raw\x00"), []byte(nil), []byte(nil)
		must(s, rw.WriteLast(&req, "write"))
		must(s, served[0].Read(&got, "read"))
		s.want("bytes", s.cq, "write")
		s.want("bytes", s.sq, "read")
		must(s, served[0].WriteAndFinish(&got, cqrpc.Status{}, "finish"))
		must(s, rw.Read(&res, "read"))
		s.want("and back", s.sq, "finish")
		s.want("and back", s.cq, "read")
		if string(res) != "raw\x00" {
			s.Errorf("got %q", res)
		}
		var st cqrpc.Status
		must(s, rw.Finish(&st, "finish"))
		s.want("the end", s.cq, "finish")

		// To the server a generic unary call is like any other.
		var uctx serverasync.Context
		var w serverasync.ResponseWriter[text]
		var utext text
		must(s, s.unary.Request(&uctx, &utext, &w, s.sq, s.sq, "request"))
		raw, err := proto.Marshal(&text{Value: "req"})
		must(s, err)
		u := async.PrepareGenericUnary(s.Context(), s.ch, unary.Name, raw, s.cq)
		must(s, u.StartCall())
		must(s, u.Finish(&res, &st, "finish"))
		s.want("a call", s.sq, "request")
		must(s, w.Finish(&utext, cqrpc.Status{}, "finish"))
		s.want("the end", s.sq, "finish")
		s.want("the end", s.cq, "finish")
		if string(res) != string(raw) || st.Code != cqrpc.CodeOK {
			s.Errorf("got %q, %v", res, st)
		}
	})
}
