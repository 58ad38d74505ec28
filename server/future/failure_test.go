package future_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/server"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

// keep is a handler that keeps its sink, to be used when the call has ended.
type keep struct {
	ctx  *serverfuture.Context
	in   *serverfuture.Stream[text]
	next *future.Future[*text]

	response *serverfuture.ResponseSink[text]
	sink     *serverfuture.Sink[text]
}

func (k *keep) unary() func(*future.Environment) server.Handler {
	return onUnary(func(ctx *serverfuture.Context, _ *text, sink *serverfuture.ResponseSink[text]) {
		k.ctx, k.response = ctx, sink
	})
}

func (k *keep) bidi() func(*future.Environment) server.Handler {
	return onBidi(func(ctx *serverfuture.Context, in *serverfuture.Stream[text], sink *serverfuture.Sink[text]) {
		k.ctx, k.in, k.sink, k.next = ctx, in, sink, in.Next()
	})
}

// What the client gave up ends everywhere: the context, the requests, the sink.
func TestClientCancels(t *testing.T) {
	var u, k keep
	play(t, handlers(u.unary(), k.bidi()), func(s *scene) {
		res := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("hi"))
		wantPending(s, "nobody answers", res.Future)
		if u.ctx.Err() != nil || u.ctx.IsCancelled() {
			t.Error("the context has ended")
		}
		res.Cancel()
		wantCode(s, "cancelled", res.Future, cqrpc.CodeCanceled)
		<-u.ctx.Done()
		if !u.ctx.IsCancelled() {
			t.Error("not cancelled")
		}
		wantCode(s, "there is nobody to answer to", u.response.Success(new(text)), cqrpc.CodeCanceled)
		wantFailed(s, "once, all the same", u.response.Success(new(text)), future.ErrClosed)

		_, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		wantPending(s, "nothing comes", stream.Next())
		sent := k.sink.Send(new(text))
		wantResolved(s, "taken", sent)
		stream.Close()
		wantCode(s, "the requests have ended", k.next, cqrpc.CodeCanceled)
		wantCode(s, "and so has the rest", k.in.Next(), cqrpc.CodeCanceled)
		wantCode(s, "and so have the responses", k.sink.Send(new(text)), cqrpc.CodeCanceled)
		wantCode(s, "and so have the responses", k.sink.Flush(), cqrpc.CodeCanceled)
		wantCode(s, "the status is not sent", k.sink.Close(), cqrpc.CodeCanceled)
	})
}

// A sink that is not used after the end of its call does no harm: the server
// ends, nothing is left (server_cancel_on_dropping of grpc-rs, without the drop).
func TestAbandonedSink(t *testing.T) {
	var u, k keep
	play(t, handlers(u.unary(), k.bidi()), func(s *scene) {
		clientfuture.Unary(s.Context(), s.stub, unary, new(text), client.WithDeadline(time.Now().Add(time.Second)))
		_, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		synctest.Wait()
		stream.Close()
		s.advance(time.Second)
		if err := s.server.Shutdown(s.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

func TestServerCancels(t *testing.T) {
	var k keep
	play(t, handlers(k.bidi()), func(s *scene) {
		for _, cancel := range []func(){
			func() { k.sink.Cancel() }, func() { k.in.Cancel() }, func() { k.ctx.TryCancel() },
		} {
			sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
			next := stream.Next()
			wantPending(s, "nothing comes", next)
			cancel()
			wantCode(s, "cancelled on the server side", next, cqrpc.CodeCanceled)
			wantCode(s, "cancelled", k.next, cqrpc.CodeCanceled)
			wantCode(s, "cancelled", k.sink.Close(), cqrpc.CodeCanceled)
			wantCode(s, "cancelled", sink.Send(new(text)), cqrpc.CodeCanceled)
		}
	})
}

func TestDeadlineOnTheServer(t *testing.T) {
	var k keep
	play(t, handlers(k.bidi()), func(s *scene) {
		_, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi, client.WithDeadline(time.Now().Add(time.Second)))
		next := stream.Next()
		wantPending(s, "a second", next)
		if d, ok := k.ctx.Deadline(); !ok || time.Until(d) > time.Second {
			t.Errorf("deadline %v, %v", d, ok)
		}
		s.advance(time.Second)
		wantCode(s, "over", next, cqrpc.CodeDeadlineExceeded)
		s.advance(time.Millisecond)
		if _, err, ok := k.next.Poll(); !ok || err == nil || k.ctx.Err() != context.DeadlineExceeded {
			t.Errorf("the server's next %v, %v; context %v", ok, err, k.ctx.Err())
		}
	})
}

func TestConnectionLoss(t *testing.T) {
	var k keep
	play(t, handlers(k.bidi()), func(s *scene) {
		_, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		next := stream.Next()
		wantPending(s, "nothing comes", next)
		s.conn.Close()
		wantCode(s, "gone", next, cqrpc.CodeUnavailable)
		wantCode(s, "gone", k.next, cqrpc.CodeUnavailable)
		wantCode(s, "gone", k.sink.Fail(cqrpc.Status{}), cqrpc.CodeUnavailable)
	})
}

// raw makes a unary call with these messages, as bytes.
func (s *scene) raw(messages ...string) cqrpc.Status {
	s.Helper()
	q := cq.New()
	k := s.ch.NewCall(q, unary.Name)
	defer k.Close()
	start := func(ops ...call.Op) {
		if err := k.StartBatch(ops, 0); err != nil {
			s.Fatal(err)
		}
		q.Next(s.Context())
	}
	start(call.SendInitialMetadata(nil))
	for _, m := range messages {
		start(call.SendMessage(call.NewBuffer([]byte(m))))
	}
	start(call.SendClose())
	var st cqrpc.Status
	start(call.RecvStatus(&st, nil))
	if err := q.Close(s.Context()); err != nil {
		s.Fatal(err)
	}
	return st
}

// A handler of one request runs only if that is what came.
func TestRequestThatIsNone(t *testing.T) {
	play(t, handlers(onUnary(func(*serverfuture.Context, *text, *serverfuture.ResponseSink[text]) {
		t.Error("the handler runs")
	})), func(s *scene) {
		for _, c := range []struct {
			messages []string
			want     cqrpc.Code
			words    string
		}{
			{nil, cqrpc.CodeUnimplemented, "no request message"},
			{[]string{"", ""}, cqrpc.CodeUnimplemented, "more than one message"},
			{[]string{"\xff"}, cqrpc.CodeInternal, "cannot unmarshal message into *wrapperspb.StringValue"},
		} {
			if st := s.raw(c.messages...); st.Code != c.want || !strings.Contains(st.Message, c.words) {
				t.Errorf("%q: %v; want %v, %q", c.messages, st, c.want, c.words)
			}
		}
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		k := s.ch.NewCall(cq.Discard, unary.Name)
		if err := k.StartBatch([]call.Op{call.SendInitialMetadata(nil)}, nil); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done() // no request within a second
		k.Close()
	})
}

func TestResponseThatCannotBeMarshalled(t *testing.T) {
	bad := wrapperspb.String("\xff")
	var answered, sent *future.Future[struct{}]
	play(t, handlers(onUnary(func(ctx *serverfuture.Context, _ *text, sink *serverfuture.ResponseSink[text]) {
		if err := ctx.SetHeader(cqrpc.Pairs("h", "1")); err != nil {
			t.Error(err)
		}
		answered = sink.Success(bad)
	}), onServerStream(func(_ *serverfuture.Context, _ *text, sink *serverfuture.Sink[text]) {
		sent = sink.Send(bad)
		sink.Send(wrapperspb.String("good"))
		sink.Close()
	})), func(s *scene) {
		res := clientfuture.Unary(s.Context(), s.stub, unary, new(text))
		wantCode(s, "ends the call", res.Future, cqrpc.CodeInternal, "cannot marshal response", "UTF-8")
		if h := wantResolved(s, "the headers are those that were set", res.Header()); h.Get("h") != "1" {
			t.Errorf("header %v", h)
		}
		wantFailed(s, "and says so", answered, call.ErrInvalidMessage)
		stream := clientfuture.ServerStream(s.Context(), s.stub, serverStream, new(text))
		s.wantText("of a stream it does not end the call", stream.Next(), "good")
		wantFailed(s, "the end", stream.Next(), io.EOF)
		wantFailed(s, "and says so", sent, call.ErrInvalidMessage)
	})
}

// A panic in a handler, or in what it has spawned, ends the call with INTERNAL
// and is reported to the server; what was answered before stays answered.
func TestPanic(t *testing.T) {
	play(t, handlers(onUnary(func(ctx *serverfuture.Context, req *text, sink *serverfuture.ResponseSink[text]) {
		switch req.Value {
		case "at once":
			panic("at once")
		case "spawned":
			if err := ctx.Spawn(func() { panic("spawned") }); err != nil {
				t.Error(err)
			}
		case "answered":
			sink.Success(req)
			panic("answered")
		case "exit":
			runtime.Goexit()
		default:
			sink.Success(req)
		}
	}), onServerStream(func(_ *serverfuture.Context, _ *text, sink *serverfuture.Sink[text]) {
		sink.Send(wrapperspb.String("sent"))
		sink.EnhanceBatch(true)
		sink.Send(wrapperspb.String("kept"))
		panic("half way")
	})), func(s *scene) {
		for _, v := range []string{"at once", "spawned", "exit"} {
			res := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String(v))
			e := wantCode(s, "a panic is INTERNAL", res.Future, cqrpc.CodeInternal)
			if e.Status.Message != "panic in handler" {
				t.Errorf("the client was told %q", e.Status.Message)
			}
		}
		s.wantText("it was answered", clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("answered")).Future, "answered")
		stream := clientfuture.ServerStream(s.Context(), s.stub, serverStream, new(text))
		s.wantText("before the panic", stream.Next(), "sent")
		s.wantText("before the panic", stream.Next(), "kept")
		wantCode(s, "a panic is INTERNAL", stream.Next(), cqrpc.CodeInternal)
		for range 4 { // the pollers are all alive
			s.wantText("and nothing else ends", clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("x")).Future, "x")
		}
		if got := fmt.Sprint(s.panics); got != "[at once spawned <nil> answered half way]" {
			t.Errorf("reported %s", got)
		}
	})
}

// Closing the environment of a server ends its calls with UNAVAILABLE, and says
// which they were; later calls are not begun.
func TestEnvironmentCloses(t *testing.T) {
	var u, k keep
	play(t, handlers(u.unary(), k.bidi()), func(s *scene) {
		_, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		next := stream.Next()
		res := clientfuture.Unary(s.Context(), s.stub, unary, new(text))
		wantPending(s, "nobody answers", res.Future)
		env := s.far
		s.far = future.NewEnvironment(1) // for the end of the scene
		err := env.Close()
		open, ok := errors.AsType[*future.OpenError](err)
		if !ok || fmt.Sprint(open.Calls) != "[server /test.Echo/Bidi: sink server /test.Echo/Unary: sink]" {
			t.Errorf("Close: %v", err)
		}
		wantCode(s, "a call that was open", next, cqrpc.CodeUnavailable, "environment is closed")
		wantCode(s, "a call that was open", res.Future, cqrpc.CodeUnavailable, "environment is closed")
		wantCode(s, "there is nobody to answer to", u.response.Success(new(text)), cqrpc.CodeUnavailable)
		wantCode(s, "there is nobody to answer to", k.sink.Close(), cqrpc.CodeUnavailable)
		if err := k.ctx.Spawn(func() { t.Error("it runs") }); !errors.Is(err, cq.ErrShutdown) {
			t.Errorf("Spawn: %v", err)
		}
		late := clientfuture.Unary(s.Context(), s.stub, unary, new(text))
		wantCode(s, "a call that comes later", late.Future, cqrpc.CodeUnavailable, "environment is closed")
		if again := env.Close(); again != err {
			t.Errorf("Close again: %v", again)
		}
	})
}

// Shutdown lets calls end, and cancels them when its patience does (grpc-rs
// shutdown_when_exists_grpc_call).
func TestShutdownWithCalls(t *testing.T) {
	var k keep
	play(t, handlers(k.unary()), func(s *scene) {
		res := clientfuture.Unary(s.Context(), s.stub, unary, new(text))
		wantPending(s, "nobody answers", res.Future)
		down := make(chan error)
		go func() { down <- s.server.Shutdown(s.Context()) }()
		wantPending(s, "Shutdown waits", res.Future)
		answered := k.response.Success(wrapperspb.String("just in time"))
		s.wantText("it ends well", res.Future, "just in time")
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		wantResolved(s, "it was sent", answered)
	})
	play(t, handlers(k.unary()), func(s *scene) {
		res := clientfuture.Unary(s.Context(), s.stub, unary, new(text))
		wantPending(s, "nobody answers", res.Future)
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		if err := s.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		wantCode(s, "cancelled", res.Future, cqrpc.CodeUnavailable)
		wantCode(s, "there is nobody to answer to", k.response.Success(new(text)), cqrpc.CodeUnavailable)
	})
}

// A crash of the codec over the one request, or of a filter before, ends the call; no
// handler runs, and no buffer is freed twice or never.
func TestPanicBeforeTheHandler(t *testing.T) {
	exits := func(context.Context, *call.Start) (context.Context, error) { runtime.Goexit(); return nil, nil }
	exitsLater := func(_ context.Context, s *call.Start) (context.Context, error) {
		s.OnRecv = func(any) error { runtime.Goexit(); return nil }
		return nil, nil
	}
	for name, opt := range map[string]server.Option{
		"codec panics":  server.WithCodecs(mined{codec.Proto(), func() { panic("secret") }}),
		"codec exits":   server.WithCodecs(mined{codec.Proto(), runtime.Goexit}),
		"filter exits":  server.WithFilter(exits),
		"message exits": server.WithFilter(exitsLater),
	} {
		t.Run(name, func(t *testing.T) {
			playWith(t, []server.Option{opt}, handlers(onUnary(
				func(_ *serverfuture.Context, _ *text, sink *serverfuture.ResponseSink[text]) {
					t.Error("the handler runs")
					sink.Success(new(text))
				},
			)), func(s *scene) {
				for range 3 { // the pollers are all alive
					res := clientfuture.Unary(s.Context(), s.stub, unary, new(text))
					wantCode(s, "a crash is INTERNAL", res.Future, cqrpc.CodeInternal)
				}
				for _, v := range s.panics {
					if v != nil && v != "secret" {
						t.Errorf("reported %v", v)
					}
				}
			})
		})
	}
}

// mined is a codec that crashes over what it is to unmarshal.
type mined struct {
	codec.Codec
	crash func()
}

func (m mined) Unmarshal([]byte, any) error {
	m.crash()
	return nil
}
