package future_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/server"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

// The future of an answer is resolved when it was written and the call is over.
func TestUnary(t *testing.T) {
	var answered *future.Future[struct{}]
	play(t, handlers(onUnary(func(ctx *serverfuture.Context, req *text, sink *serverfuture.ResponseSink[text]) {
		if req.Value == "fail" {
			answered = sink.Fail(cqrpc.Status{Code: cqrpc.CodeNotFound, Message: "no such thing"})
		} else {
			answered = sink.Success(req)
		}
		if ctx.Method() != unary.Name || ctx.IsCancelled() {
			t.Errorf("context of %v, cancelled %v", ctx.Method(), ctx.IsCancelled())
		}
	})), func(s *scene) {
		s.wantText("the response", clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("hi")).Future, "hi")
		wantResolved(s, "the status was sent and the call is over", answered)
		res := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("fail"))
		wantCode(s, "the status", res.Future, cqrpc.CodeNotFound, "no such thing")
		wantResolved(s, "a failure is an answer, too", answered)
	})
}

// A handler may return before there is an answer, and be answered for by anybody.
func TestAnswerComesLater(t *testing.T) {
	var sink *serverfuture.ResponseSink[text]
	play(t, handlers(onUnary(func(_ *serverfuture.Context, _ *text, k *serverfuture.ResponseSink[text]) { sink = k })),
		func(s *scene) {
			res := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("hi"))
			wantPending(s, "nobody has answered", res.Future)
			answered := sink.Success(wrapperspb.String("later"))
			s.wantText("the response", res.Future, "later")
			wantResolved(s, "it was sent", answered)
			wantFailed(s, "once", sink.Success(new(text)), future.ErrClosed)
			wantFailed(s, "once", sink.Fail(cqrpc.Status{}), future.ErrClosed)
		})
}

func TestServerStream(t *testing.T) {
	play(t, handlers(onServerStream(func(_ *serverfuture.Context, req *text, sink *serverfuture.Sink[text]) {
		var next func(i int)
		next = func(i int) {
			if i == len(req.Value) {
				sink.Close()
				return
			}
			sink.Send(wrapperspb.String(fmt.Sprint(i))).OnComplete(func(_ struct{}, err error) {
				if err == nil {
					next(i + 1)
				}
			})
		}
		next(0)
	})), func(s *scene) {
		stream := clientfuture.ServerStream(s.Context(), s.stub, serverStream, wrapperspb.String("abc"))
		for _, want := range []string{"0", "1", "2"} {
			s.wantText("in order", stream.Next(), want)
		}
		wantFailed(s, "the end", stream.Next(), io.EOF)
		empty := clientfuture.ServerStream(s.Context(), s.stub, serverStream, new(text))
		wantFailed(s, "a response that is a status only", empty.Next(), io.EOF)
	})
}

// Blocking methods are for goroutines of the handler's.
func TestClientStream(t *testing.T) {
	play(t, handlers(onClientStream(func(
		ctx *serverfuture.Context, in *serverfuture.Stream[text], sink *serverfuture.ResponseSink[text],
	) {
		go func() {
			var all []string
			for m, err := range in.All(ctx) {
				if err != nil {
					sink.Fail(cqrpc.StatusOf(err))
					return
				}
				all = append(all, m.Value)
			}
			sink.Success(wrapperspb.String(strings.Join(all, ",")))
		}()
	})), func(s *scene) {
		sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		for _, m := range []string{"a", "b", "c"} {
			wantResolved(s, "sent", sink.Send(wrapperspb.String(m)))
		}
		wantResolved(s, "half-closed", sink.Close())
		s.wantText("the response", res.Future, "a,b,c")
	})
}

func TestBidiStream(t *testing.T) {
	play(t, handlers(onBidi(echo)), func(s *scene) {
		sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		for _, m := range []string{"a", "b", "c"} {
			sink.Send(wrapperspb.String(m))
			s.wantText("the echo", stream.Next(), m)
		}
		wantResolved(s, "half-closed", sink.Close())
		wantFailed(s, "the end", stream.Next(), io.EOF)
	})
}

// Status, header and trailer are those that the handler set.
func TestMetadataAndStatus(t *testing.T) {
	play(t, handlers(onBidi(func(ctx *serverfuture.Context, in *serverfuture.Stream[text], sink *serverfuture.Sink[text]) {
		k := ctx.Metadata().Get("k")
		if err := errors.Join(sink.SetHeader(cqrpc.Pairs("h", k)), ctx.SetTrailer(cqrpc.Pairs("t", k))); err != nil {
			t.Error(err)
		}
		info, ok := server.Incoming(context.WithValue(ctx, t, t))
		if !ok || info.Method != bidi.Name || ctx.Peer().Addr == nil {
			t.Errorf("info %+v", info)
		}
		in.Next().OnComplete(func(m *text, err error) {
			if err == nil && m.Value != "" {
				sink.Send(m)
			}
			if err := sink.SetHeader(nil); (err == nil) != (m.Value == "") {
				t.Errorf("SetHeader = %v", err)
			}
			sink.SetStatus(cqrpc.Status{Code: cqrpc.CodeOutOfRange, Message: "that is all"})
			sink.Close()
		})
	})), func(s *scene) {
		for _, m := range []string{"x", ""} {
			sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi, client.WithMetadata(cqrpc.Pairs("k", "v")))
			wantResolved(s, "sent", sink.Send(wrapperspb.String(m)))
			if m != "" {
				s.wantText("the message", stream.Next(), m)
			}
			wantCode(s, "the status of Close", stream.Next(), cqrpc.CodeOutOfRange, "that is all")
			if h := wantResolved(s, "header", stream.Header()); h.Get("h") != "v" || stream.Trailer().Get("t") != "v" {
				t.Errorf("header %v, trailer %v", h, stream.Trailer())
			}
		}
	})
}

// A handler for all methods that are not registered sees bytes.
func TestGeneric(t *testing.T) {
	play(t, handlers(func(env *future.Environment) server.Handler {
		return serverfuture.Generic(func(
			ctx *serverfuture.Context, in *serverfuture.Stream[[]byte], sink *serverfuture.Sink[[]byte],
		) {
			in.Next().OnComplete(func(m *[]byte, err error) {
				if err != nil {
					sink.Fail(cqrpc.StatusOf(err))
					return
				}
				sink.Send(m)
				sink.Close()
			})
			if ctx.Method() != unary.Name {
				t.Errorf("method %s", ctx.Method())
			}
		}, env)
	}), func(s *scene) {
		s.wantText("the echo", clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("hi")).Future, "hi")
	})
}

// Nothing waits in a call that is open: no goroutine on either side.
func TestOpenCallHasNoGoroutine(t *testing.T) {
	play(t, handlers(onBidi(echo)), func(s *scene) {
		warm, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		warm.Send(new(text))
		s.wantText("connected", stream.Next(), "")
		before := goroutines()
		var open []*clientfuture.Stream[text]
		for range 100 {
			sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
			sink.Send(wrapperspb.String("x"))
			s.wantText("the echo", stream.Next(), "x")
			stream.Next()
			open = append(open, stream)
		}
		synctest.Wait()
		if n := goroutines(); n > before+10 { // the runtime may have started some of its own
			t.Errorf("%d goroutines with 100 streams open, %d with one", n, before)
		}
		for _, st := range append(open, stream) {
			st.Close()
		}
	})
}
