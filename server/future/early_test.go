package future_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/server"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

// A client that leaves after the first of endless responses ends the server's
// sending (grpc-rs early_exit).
func TestEarlyExit(t *testing.T) {
	var sent *future.Future[struct{}]
	play(t, handlers(onServerStream(func(_ *serverfuture.Context, req *text, sink *serverfuture.Sink[text]) {
		sent = sink.SendFrom(func() (*text, bool) { return req, true })
		sent.OnComplete(func(_ struct{}, err error) { sink.Fail(cqrpc.StatusOf(err)) })
	})), func(s *scene) {
		stream := clientfuture.ServerStream(s.Context(), s.stub, serverStream, wrapperspb.String(strings.Repeat("x", 10<<10)))
		if _, err := stream.Recv(s.Context()); err != nil {
			t.Fatal(err)
		}
		wantPending(s, "the client reads no more", sent)
		stream.Close()
		wantCode(s, "the client is gone", sent, cqrpc.CodeCanceled)
	})
}

// ForEach and SendFrom are what handlers need: the talk's four shapes.
func TestForEachAndSendFrom(t *testing.T) {
	end := func(sink *serverfuture.Sink[text]) func(struct{}, error) {
		return func(_ struct{}, err error) {
			if err != nil {
				sink.Fail(cqrpc.StatusOf(err))
				return
			}
			sink.Close()
		}
	}
	twice := func(m *text) func() (*text, bool) { return future.Values([]*text{m, m}) }
	play(t, handlers(
		onServerStream(func(_ *serverfuture.Context, req *text, sink *serverfuture.Sink[text]) {
			sink.SendFrom(twice(req)).OnComplete(end(sink))
		}),
		onClientStream(func(_ *serverfuture.Context, in *serverfuture.Stream[text], sink *serverfuture.ResponseSink[text]) {
			var all []string
			in.ForEach(func(m *text) error {
				all = append(all, m.Value)
				return nil
			}).OnComplete(func(struct{}, error) { sink.Success(wrapperspb.String(strings.Join(all, ","))) })
		}),
		onBidi(func(_ *serverfuture.Context, in *serverfuture.Stream[text], sink *serverfuture.Sink[text]) {
			in.ForEachThen(func(m *text) *future.Future[struct{}] {
				return sink.SendFrom(twice(m))
			}).OnComplete(end(sink))
		}),
	), func(s *scene) {
		abc := []*text{wrapperspb.String("a"), wrapperspb.String("b"), wrapperspb.String("c")}
		var got []string
		collect := func(m *text) error {
			got = append(got, m.Value)
			return nil
		}
		wantResolved(s, "server stream", clientfuture.ServerStream(s.Context(), s.stub, serverStream, abc[0]).ForEach(collect))

		sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		wantResolved(s, "sent", sink.SendFrom(future.Values(abc)))
		sink.Close()
		s.wantText("client stream", res.Future, "a,b,c")

		sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		read := stream.ForEach(collect)
		wantResolved(s, "sent", sink.SendFrom(future.Values(abc)))
		sink.Close()
		wantResolved(s, "bidi", read)
		if fmt.Sprint(got) != "[a a a a b b c c]" {
			t.Errorf("got %v", got)
		}
	})
}

// An error of the function gives up the requests, and the call can be answered.
func TestForEachThatFails(t *testing.T) {
	errEnough := errors.New("enough")
	play(t, handlers(onBidi(func(_ *serverfuture.Context, in *serverfuture.Stream[text], sink *serverfuture.Sink[text]) {
		in.ForEach(func(*text) error { return errEnough }).OnComplete(func(_ struct{}, err error) {
			if err != errEnough {
				t.Errorf("ForEach: %v", err)
			}
			in.Next().OnComplete(func(_ *text, err error) {
				if err != future.ErrClosed {
					t.Errorf("Next: %v", err)
				}
			})
			sink.Fail(cqrpc.StatusOf(cqrpc.Errorf(cqrpc.CodeAborted, "enough")))
		})
	})), func(s *scene) {
		sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		sink.Send(new(text))
		wantCode(s, "answered", stream.Next(), cqrpc.CodeAborted, "enough")
	})
}

// A panic in what the handler left to ForEach and SendFrom is one of the handler.
func TestPanicInForEachAndSendFrom(t *testing.T) {
	play(t, handlers(
		onServerStream(func(_ *serverfuture.Context, _ *text, sink *serverfuture.Sink[text]) {
			sink.SendFrom(func() (*text, bool) { panic("draw") }).OnComplete(func(_ struct{}, err error) {
				wantClosed(t, sink.Fail(cqrpc.StatusOf(err)))
			})
		}),
		onBidi(func(_ *serverfuture.Context, in *serverfuture.Stream[text], sink *serverfuture.Sink[text]) {
			in.ForEach(func(*text) error { panic("step") }).OnComplete(func(_ struct{}, err error) {
				wantClosed(t, sink.Fail(cqrpc.StatusOf(err)))
			})
		}),
	), func(s *scene) {
		wantPanic := func(stream *clientfuture.Stream[text]) {
			if e := wantCode(s, "a panic is INTERNAL", stream.Next(), cqrpc.CodeInternal); e.Status.Message != "panic in handler" {
				t.Errorf("the client is told %q", e.Status.Message)
			}
		}
		wantPanic(clientfuture.ServerStream(s.Context(), s.stub, serverStream, new(text)))
		sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		sink.Send(new(text))
		wantPanic(stream)
		if synctest.Wait(); fmt.Sprint(s.panics) != "[draw step]" {
			t.Errorf("panics %v", s.panics)
		}
	})
}

// wantClosed wants the call to be answered.
func wantClosed(t *testing.T, f *future.Future[struct{}]) {
	t.Helper()
	if _, err, _ := f.Poll(); err != future.ErrClosed {
		t.Errorf("it can be answered: %v", err)
	}
}

// bomb is a compressor that panics on some messages.
type bomb struct{}

func (bomb) Name() string { return "bomb" }

func (bomb) Compress(dst, src []byte) ([]byte, error) {
	if strings.Contains(string(src), "bomb") {
		panic("boom")
	}
	return append(dst, src...), nil
}

func (bomb) Decompress(dst, src []byte, _ int) ([]byte, error) { return append(dst, src...), nil }

// A compressor that panics in a handler is a panic of the handler; behind another
// message it fails its own and is reported, and the call can be answered.
func TestCompressorThatPanics(t *testing.T) {
	compressors := codec.NewCompressors(bomb{})
	var late error
	playWith(t, []server.Option{server.WithCompressors(compressors), server.WithCompressor("bomb")}, handlers(
		onUnary(func(_ *serverfuture.Context, req *text, sink *serverfuture.ResponseSink[text]) { sink.Success(req) }),
		onServerStream(func(_ *serverfuture.Context, req *text, sink *serverfuture.Sink[text]) { sink.Send(req) }),
		onBidi(func(_ *serverfuture.Context, _ *serverfuture.Stream[text], sink *serverfuture.Sink[text]) {
			sink.Send(wrapperspb.String("first"))
			sink.Send(wrapperspb.String("bomb")).OnComplete(func(_ struct{}, err error) {
				late = err
				sink.Fail(cqrpc.StatusOf(err))
			})
		}),
	), func(s *scene) {
		ch, err := client.NewChannel("passthrough:///mem", client.WithInsecure(), client.WithDialer(s.dial),
			client.WithCompressors(compressors))
		if err != nil {
			t.Fatal(err)
		}
		defer ch.Close()
		stub := clientfuture.New(ch, s.near)
		res := clientfuture.Unary(s.Context(), stub, unary, wrapperspb.String("bomb"))
		wantCode(s, "a response", res.Future, cqrpc.CodeInternal)
		stream := clientfuture.ServerStream(s.Context(), stub, serverStream, wrapperspb.String("bomb"))
		wantCode(s, "the first of many", stream.Next(), cqrpc.CodeInternal)
		sink, stream := clientfuture.BidiStream(s.Context(), stub, bidi)
		s.wantText("the one before", stream.Next(), "first")
		e := wantCode(s, "behind it", stream.Next(), cqrpc.CodeInternal)
		if cqrpc.CodeOf(late) != cqrpc.CodeInternal || strings.Contains(e.Status.Message, "boom") {
			t.Errorf("Send = %v, the client is told %q", late, e.Status.Message)
		}
		sink.Close()
		if fmt.Sprint(s.panics) != "[boom boom boom]" {
			t.Errorf("panics %v", s.panics)
		}
	})
}
