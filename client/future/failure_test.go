package future_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/server"
)

// Every future of a call that is cancelled resolves, whatever the shape.
func TestCancelEndsEveryFuture(t *testing.T) {
	play(t, func(s *scene) {
		ctx, cancel := context.WithCancel(s.Context())
		res := clientfuture.Unary(ctx, s.stub, unary, wrapperspb.String("hi"))
		sink, next := clientfuture.BidiStream(ctx, s.stub, bidi)
		waiting, header := next.Next(), next.Header()
		wantPending(s, "the handler hangs", res.Future)
		cancel()
		wantCode(s, "the context ended", res.Future, cqrpc.CodeCanceled)
		wantCode(s, "the context ended", waiting, cqrpc.CodeCanceled)
		wantResolved(s, "the stream was there, and no header came", header)
		wantCode(s, "the call is over", sink.Send(wrapperspb.String("late")), cqrpc.CodeCanceled)
		wantResolved(s, "closing is satisfied early when the call has finished", sink.Close())
	}, hangUnary(), echoBidi())
}

func TestCancelOfOneCall(t *testing.T) {
	play(t, func(s *scene) {
		res := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("hi"))
		sink, join := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		_, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		next := stream.Next()
		res.Cancel()
		sink.Cancel()
		stream.Cancel()
		wantCode(s, "cancelled", res.Future, cqrpc.CodeCanceled)
		wantCode(s, "the sink's call", join.Future, cqrpc.CodeCanceled)
		wantCode(s, "cancelled", next, cqrpc.CodeCanceled)
		res.Cancel() // again: no harm
	}, hangUnary(), join(), echoBidi())
}

func TestContextThatHasEnded(t *testing.T) {
	play(t, func(s *scene) {
		ctx, cancel := context.WithCancelCause(s.Context())
		cancel(errors.New("changed my mind"))
		res := clientfuture.Unary(ctx, s.stub, unary, wrapperspb.String("hi"))
		wantCode(s, "before it began", res.Future, cqrpc.CodeCanceled, "changed my mind")
		wantCode(s, "no answer, so no header", res.Header(), cqrpc.CodeCanceled)
		sink, stream := clientfuture.BidiStream(ctx, s.stub, bidi)
		wantCode(s, "before it began", stream.Next(), cqrpc.CodeCanceled)
		wantCode(s, "before it began", sink.Send(wrapperspb.String("x")), cqrpc.CodeCanceled)
	})
}

func TestDeadline(t *testing.T) {
	play(t, func(s *scene) {
		res := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("hi"),
			client.WithDeadline(time.Now().Add(time.Second)))
		ctx, cancel := context.WithTimeout(s.Context(), 2*time.Second)
		defer cancel()
		_, stream := clientfuture.BidiStream(ctx, s.stub, bidi)
		next := stream.Next()
		s.advance(time.Second)
		wantCode(s, "the option's deadline", res.Future, cqrpc.CodeDeadlineExceeded)
		wantPending(s, "the context has a second left", next)
		s.advance(time.Second)
		wantFailed(s, "the context's deadline", next, context.DeadlineExceeded)
	}, hangUnary(), echoBidi())
}

// Messages that arrived before a status that is not OK are yielded, then the
// error; grpc-rs drops them.
func TestMessagesBeforeAnError(t *testing.T) {
	play(t, func(s *scene) {
		st := clientfuture.ServerStream(s.Context(), s.stub, serverStream, wrapperspb.String("abcdef"))
		synctest.Wait() // all has arrived, the status too
		for _, want := range []string{"0", "1", "2", "3", "4", "5"} {
			s.wantText("arrived before the status", st.Next(), want)
		}
		wantCode(s, "the status", st.Next(), cqrpc.CodeDataLoss, "oops")
		if got := st.Trailer().Get("t"); got != "1" {
			t.Errorf("trailer %q", got)
		}
	}, server.ServerStream(serverStream, func(ctx context.Context, req *text, out *server.Sender[text]) error {
		if err := server.SetTrailer(ctx, cqrpc.Pairs("t", "1")); err != nil {
			return err
		}
		for i := range len(req.Value) {
			if err := out.Send(wrapperspb.String(string(rune('0' + i)))); err != nil {
				return err
			}
		}
		return cqrpc.Errorf(cqrpc.CodeDataLoss, "oops")
	}))
}

// An end that comes early, be it OK or not, is seen by both ends of the call.
func TestServerEndsEarly(t *testing.T) {
	for _, code := range []cqrpc.Code{cqrpc.CodeOK, cqrpc.CodeUnavailable} {
		t.Run(code.String(), func(t *testing.T) {
			play(t, func(s *scene) {
				sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
				next := stream.Next()
				synctest.Wait()
				send := sink.Send(wrapperspb.String("late"))
				if code == cqrpc.CodeOK {
					wantFailed(s, "the end", next, io.EOF)
					wantFailed(s, "the server wants no more", send, future.ErrFinished)
					wantFailed(s, "the server wants no more", sink.Flush(), future.ErrFinished)
				} else {
					wantCode(s, "the status", next, code)
					wantCode(s, "the status", send, code)
					wantCode(s, "the status", sink.Flush(), code)
				}
				wantResolved(s, "closing is satisfied early when the call has finished", sink.Close())
			}, server.BidiStream(bidi, func(context.Context, *server.Receiver[text], *server.Sender[text]) error {
				if code == cqrpc.CodeOK {
					return nil
				}
				return cqrpc.Errorf(code, "go away")
			}))
		})
	}
}

func TestConnectionLoss(t *testing.T) {
	play(t, func(s *scene) {
		res := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("hi"))
		sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		next := stream.Next()
		wantPending(s, "the handler hangs", res.Future)
		wantResolved(s, "the connection is there", sink.Send(wrapperspb.String("x")))
		s.wantText("the echo", next, "x")
		next = stream.Next()
		s.conn.Close()
		wantCode(s, "the connection is gone", res.Future, cqrpc.CodeUnavailable)
		wantCode(s, "the connection is gone", next, cqrpc.CodeUnavailable)
		wantCode(s, "the connection is gone", sink.Send(wrapperspb.String("y")), cqrpc.CodeUnavailable)
	}, hangUnary(), echoBidi())
}

// What a handler says in details arrives as it is (grpc-rs rich_error).
func TestRichError(t *testing.T) {
	play(t, func(s *scene) {
		res := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("hi"))
		e := wantCode(s, "the status", res.Future, cqrpc.CodeResourceExhausted, "wait a little")
		if e.Origin != cqrpc.OriginRemote || len(e.Status.Details) != 1 {
			t.Fatalf("origin %v, %d details", e.Origin, len(e.Status.Details))
		}
		var wait durationpb.Duration
		if err := e.Status.Details[0].UnmarshalTo(&wait); err != nil || wait.Seconds != 7 {
			t.Errorf("%v, %v", &wait, err)
		}
	}, server.Unary(unary, func(context.Context, *text) (*text, error) {
		st, err := cqrpc.Status{Code: cqrpc.CodeResourceExhausted, Message: "wait a little"}.
			WithDetails(durationpb.New(7 * time.Second))
		if err != nil {
			return nil, err
		}
		return nil, &cqrpc.Error{Status: st}
	}))
}

// A message that does not decode ends the call with INTERNAL, also after an OK.
func TestUndecodableResponse(t *testing.T) {
	bytesUnary := call.Method[text, text]{Name: unary.Name}
	play(t, func(s *scene) {
		res := clientfuture.Unary(s.Context(), s.stub, bytesUnary, wrapperspb.String("hi"))
		wantCode(s, "not protobuf", res.Future, cqrpc.CodeInternal, "unmarshal")
		stream := clientfuture.ServerStream(s.Context(), s.stub, serverStream, wrapperspb.String("hi"))
		wantCode(s, "not protobuf", stream.Next(), cqrpc.CodeInternal, "unmarshal")
	}, server.Generic(func(_ context.Context, raw *server.RawStream) error {
		m, err := raw.Recv()
		if err != nil {
			return err
		}
		m.Free()
		return raw.Send(call.NewBuffer([]byte{0xff}))
	}))
}

func TestUnmarshallableRequest(t *testing.T) {
	play(t, func(s *scene) {
		bad := wrapperspb.String("\xff") // not UTF-8
		res := clientfuture.Unary(s.Context(), s.stub, unary, bad)
		wantCode(s, "the call is not made", res.Future, cqrpc.CodeInternal, "UTF-8")
		wantFailed(s, "typed", res.Future, call.ErrInvalidMessage)
		stream := clientfuture.ServerStream(s.Context(), s.stub, serverStream, bad)
		wantCode(s, "the call is not made", stream.Next(), cqrpc.CodeInternal, "UTF-8")
		sink, join := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		wantCode(s, "fails the send", sink.Send(bad), cqrpc.CodeInternal, "UTF-8")
		wantResolved(s, "and not the call", sink.Send(wrapperspb.String("good")))
		sink.EnhanceBatch(true)
		wantCode(s, "fails the send", sink.Send(bad), cqrpc.CodeInternal, "UTF-8")
		wantResolved(s, "and not the call", sink.Close())
		s.wantText("the rest", join.Future, "good")
	}, join())
}

// A queue that is shut down is the error of what is started then, and Close says
// what it cancelled.
func TestEnvironmentCloses(t *testing.T) {
	play(t, func(s *scene) {
		env := future.NewEnvironment(1)
		stub := clientfuture.New(s.ch, env)
		res := clientfuture.Unary(s.Context(), stub, unary, wrapperspb.String("hi"))
		closed, stream := clientfuture.BidiStream(s.Context(), stub, bidi)
		wantResolved(s, "half-closed", closed.Send(wrapperspb.String("x")))
		sink, join := clientfuture.ClientStream(s.Context(), stub, clientStream)
		sink.EnhanceBatch(true)
		wantResolved(s, "kept back", sink.Send(wrapperspb.String("lost")))
		next := stream.Next()
		s.wantText("the echo", next, "x")
		next = stream.Next()

		err := env.Close()
		open, ok := errors.AsType[*future.OpenError](err)
		want := []string{
			"client /test.Echo/Bidi: sink, stream", "client /test.Echo/ClientStream: sink, response",
			"client /test.Echo/Unary: response",
		}
		if !ok || len(open.Calls) != 3 || open.Calls[0] != want[0] || open.Calls[1] != want[1] || open.Calls[2] != want[2] {
			t.Errorf("Close: %v; want %v", err, want)
		}
		for _, f := range []*future.Future[*text]{res.Future, next, join.Future} {
			wantFailed(s, "cancelled", f, cq.ErrShutdown)
			wantCode(s, "cancelled", f, cqrpc.CodeCanceled, "environment is closed")
		}
		wantFailed(s, "its call is over", sink.Send(wrapperspb.String("x")), cq.ErrShutdown)
		wantFailed(s, "a message is lost", sink.Close(), cq.ErrShutdown)
		wantResolved(s, "nothing is lost", closed.Close())

		res = clientfuture.Unary(s.Context(), stub, unary, wrapperspb.String("hi"))
		wantFailed(s, "not started", res.Future, cq.ErrShutdown)
		wantFailed(s, "not started", res.Header(), cq.ErrShutdown)
		sink, stream = clientfuture.BidiStream(s.Context(), stub, bidi)
		wantFailed(s, "not started", sink.Send(wrapperspb.String("x")), cq.ErrShutdown)
		wantFailed(s, "not started", stream.Next(), cq.ErrShutdown)
		wantResolved(s, "there is nothing to close", sink.Close())
		stream.Close()
	}, hangUnary(), echoBidi(), join())
}

func TestChannelThatIsClosed(t *testing.T) {
	play(t, func(s *scene) {
		ch, err := client.NewChannel("passthrough:///mem", client.WithInsecure(), client.WithDialer(s.dial))
		if err != nil {
			t.Fatal(err)
		}
		stub := clientfuture.New(ch, s.env)
		res := clientfuture.Unary(s.Context(), stub, unary, wrapperspb.String("hi"))
		wantPending(s, "the handler hangs", res.Future)
		if err := ch.Close(); err != nil {
			t.Error(err)
		}
		wantCode(s, "in progress", res.Future, cqrpc.CodeUnavailable)
		late := clientfuture.Unary(s.Context(), stub, unary, wrapperspb.String("hi"))
		wantFailed(s, "afterwards", late.Future, client.ErrChannelClosed)
	}, hangUnary())
}

// A function of OnComplete that panics keeps no other future of its call from
// being resolved.
func TestPanicOfAWatcher(t *testing.T) {
	hang := func(ctx context.Context, _ *server.Receiver[text], _ *server.Sender[text]) error {
		<-ctx.Done()
		return nil
	}
	sulk := func(ctx context.Context, _ *server.Receiver[text]) (*text, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	play(t, func(s *scene) {
		caught := make(chan any, 8)
		env := future.NewEnvironment(1, future.WithPanicHandler(func(v any, _ []byte) { caught <- v }))
		stub := clientfuture.New(s.ch, env)
		crowd := func(sink *clientfuture.Sink[text]) { // one on its way, one behind it, one kept back
			sink.Send(wrapperspb.String(string(make([]byte, 1<<20))))
			sink.EnhanceBatch(true)
			sink.Send(wrapperspb.String("kept"))
			sink.Send(wrapperspb.String("also")).OnComplete(func(struct{}, error) { panic("watcher") })
		}
		s.ch.Connect()
		synctest.Wait()
		s.conn.Stall() // no window updates
		defer s.conn.Resume()
		ctx, cancel := context.WithCancel(s.Context())
		one, res := clientfuture.ClientStream(ctx, stub, clientStream)
		crowd(one)
		many, stream := clientfuture.BidiStream(ctx, stub, bidi)
		crowd(many)
		next, flush := stream.Next(), many.Flush()
		shut, _ := clientfuture.ClientStream(ctx, stub, clientStream)
		crowd(shut)
		closed := shut.Close()
		wantPending(s, "no window for the first message", flush)
		cancel()
		wantCode(s, "a Send has panicked", res.Future, cqrpc.CodeCanceled)
		wantCode(s, "a Send has panicked", next, cqrpc.CodeCanceled)
		wantCode(s, "a Send has panicked", flush, cqrpc.CodeCanceled)
		wantCode(s, "a Send has panicked", closed, cqrpc.CodeCanceled)
		if len(caught) != 3 {
			s.Errorf("%d panics", len(caught))
		}
		if err := env.Close(); err != nil {
			s.Error(err)
		}
	}, server.ClientStream(clientStream, sulk), server.BidiStream(bidi, hang))
}
