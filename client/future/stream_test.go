package future_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/server"
)

// One Next at a time: the second is told so and takes nothing away.
func TestNextWhileNextIsPending(t *testing.T) {
	play(t, func(s *scene) {
		sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		first := stream.Next()
		wantFailed(s, "one at a time", stream.Next(), future.ErrPending)
		wantResolved(s, "sent", sink.Send(wrapperspb.String("a")))
		s.wantText("it goes to the first", first, "a")
		stream.Close()
	}, echoBidi())
}

// A Recv that gives up loses no message: the next Recv or Next has it.
func TestRecvThatGivesUp(t *testing.T) {
	play(t, func(s *scene) {
		sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		for _, recv := range []func() *future.Future[*text]{
			stream.Next,
			func() *future.Future[*text] {
				m, err := stream.Recv(s.Context())
				if err != nil {
					return future.Failed[*text](err)
				}
				return future.Ready(m)
			},
		} {
			ctx, cancel := context.WithTimeout(s.Context(), time.Second)
			if m, err := stream.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Recv = %v, %v", m, err)
			}
			cancel()
			wantResolved(s, "sent", sink.Send(wrapperspb.String("late")))
			synctest.Wait() // it has arrived and nobody waits
			s.wantText("the message is kept", recv(), "late")
		}
		stream.Close()
	}, echoBidi())
}

func TestAll(t *testing.T) {
	play(t, func(s *scene) {
		stream := clientfuture.ServerStream(s.Context(), s.stub, serverStream, wrapperspb.String("abc"))
		var got []string
		for m, err := range stream.All(s.Context()) {
			if err != nil {
				got = append(got, err.Error())
				break
			}
			got = append(got, m.Value)
		}
		if all := strings.Join(got, " "); all != "0 1 2 ABORTED: enough" {
			t.Errorf("got %q", all)
		}
	}, count(cqrpc.Errorf(cqrpc.CodeAborted, "enough")))
}

// Leaving the loop closes the stream, and so ends the call.
func TestAllLeftEarly(t *testing.T) {
	ended := make(chan error, 1)
	play(t, func(s *scene) {
		ended = make(chan error, 1)
		stream := clientfuture.ServerStream(s.Context(), s.stub, serverStream, wrapperspb.String("go on"))
		for m, err := range stream.All(s.Context()) {
			if err != nil || m.Value != "0" {
				t.Errorf("%v, %v", m, err)
			}
			break
		}
		if err := <-ended; cqrpc.CodeOf(err) != cqrpc.CodeCanceled {
			t.Errorf("the server saw %v", err)
		}
		wantFailed(s, "it is closed", stream.Next(), future.ErrClosed)
	}, server.ServerStream(serverStream, func(_ context.Context, _ *text, out *server.Sender[text]) error {
		for i := 0; ; i++ {
			if err := out.Send(wrapperspb.String(fmt.Sprint(i))); err != nil {
				ended <- err
				return err
			}
		}
	}))
}

// Close fails the Next that waits, frees what has arrived, and is harmless after
// the end.
func TestStreamClose(t *testing.T) {
	play(t, func(s *scene) {
		_, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		next := stream.Next()
		wantPending(s, "nothing was sent", next)
		stream.Close()
		wantFailed(s, "closed", next, future.ErrClosed)

		unread := clientfuture.ServerStream(s.Context(), s.stub, serverStream, wrapperspb.String("abc"))
		s.wantText("the first", unread.Next(), "0")
		unread.Close()
		wantFailed(s, "closed", unread.Next(), future.ErrClosed)

		whole := clientfuture.ServerStream(s.Context(), s.stub, serverStream, wrapperspb.String("a"))
		s.wantText("the only one", whole.Next(), "0")
		wantFailed(s, "the end", whole.Next(), io.EOF)
		whole.Close()
		whole.Close()
		if err := cqrpc.StatusOf(nil); err.Code != cqrpc.CodeOK || whole.Trailer().Get("t") != "1" {
			t.Errorf("trailer %v", whole.Trailer())
		}
	}, echoBidi(), server.ServerStream(serverStream, func(
		ctx context.Context, req *text, out *server.Sender[text],
	) error {
		for i := range len(req.Value) {
			if err := out.Send(wrapperspb.String(fmt.Sprint(i))); err != nil {
				return err
			}
		}
		return server.SetTrailer(ctx, cqrpc.Pairs("t", "1"))
	}))
}

// A stream is at most one message ahead of its reader, besides what flow
// control lets through: nothing is received for a stream that is not read.
func TestReadAheadIsOne(t *testing.T) {
	sent := 0
	play(t, func(s *scene) {
		sent = 0
		stream := clientfuture.ServerStream(s.Context(), s.stub, serverStream, wrapperspb.String("x"))
		s.wantText("the first", stream.Next(), "0")
		synctest.Wait()
		before := sent
		s.advance(time.Hour)
		if sent != before || sent > 40 {
			t.Errorf("%d messages of 64 KiB were sent, then %d, to a reader of one", before, sent)
		}
		stream.Close()
	}, server.ServerStream(serverStream, func(_ context.Context, _ *text, out *server.Sender[text]) error {
		if err := out.Send(wrapperspb.String("0")); err != nil {
			return err
		}
		for ; ; sent++ {
			if err := out.Send(wrapperspb.String(strings.Repeat("x", 64<<10))); err != nil {
				return err
			}
		}
	}))
}

// Metadata goes both ways, in every shape (grpc-rs metadata).
func TestMetadata(t *testing.T) {
	answer := func(ctx context.Context) error {
		in, _ := server.Incoming(ctx)
		if err := server.SetHeader(ctx, cqrpc.Pairs("header", in.Metadata.Get("k"))); err != nil {
			return err
		}
		return server.SetTrailer(ctx, cqrpc.Pairs("trailer-bin", in.Metadata.Get("k")))
	}
	play(t, func(s *scene) {
		opt := client.WithMetadata(cqrpc.Pairs("k", "v"))
		var header, trailer cqrpc.Metadata
		var peer call.Peer
		tell := []client.CallOption{opt, client.HeaderTo(&header), client.TrailerTo(&trailer), client.PeerTo(&peer)}

		res := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("hi"), tell...)
		wantResolved(s, "the response", res.Future)
		if header.Get("header") != "v" || trailer.Get("trailer-bin") != "v" || peer.Addr == nil {
			t.Errorf("options got %v, %v, %v", header, trailer, peer)
		}
		if h := wantResolved(s, "afterwards", res.Header()); h.Get("header") != "v" || res.Trailer().Get("trailer-bin") != "v" {
			t.Errorf("got %v, %v", h, res.Trailer())
		}
		if res.Peer().Addr == nil {
			t.Error("no peer")
		}

		header, trailer = nil, nil
		sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi, tell...)
		early := stream.Header()
		wantPending(s, "nothing came yet", early)
		if stream.Trailer() != nil || stream.Peer().Addr == nil {
			t.Errorf("trailer %v before the end, peer %v", stream.Trailer(), stream.Peer())
		}
		wantResolved(s, "sent", sink.Send(wrapperspb.String("x")))
		if h := wantResolved(s, "with the first message, which nobody read", early); h.Get("header") != "v" {
			t.Errorf("got %v", h)
		}
		wantResolved(s, "half-closed", sink.Close())
		s.wantText("the echo", stream.Next(), "x")
		wantFailed(s, "the end", stream.Next(), io.EOF)
		if stream.Trailer().Get("trailer-bin") != "v" || trailer.Get("trailer-bin") != "v" || header.Get("header") != "v" {
			t.Errorf("got %v, %v, %v", stream.Trailer(), trailer, header)
		}
		if stream.Header() != early {
			t.Error("Header made another future")
		}
	}, server.Unary(unary, func(ctx context.Context, req *text) (*text, error) {
		return req, answer(ctx)
	}), server.BidiStream(bidi, func(ctx context.Context, in *server.Receiver[text], out *server.Sender[text]) error {
		for m, err := range in.All() {
			if err == nil {
				err = answer(ctx)
			}
			if err == nil {
				err = out.Send(m)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// A response that is a status only has a header that is empty.
func TestHeaderOfTrailersOnly(t *testing.T) {
	play(t, func(s *scene) {
		var told cqrpc.Metadata
		res := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("fail"), client.HeaderTo(&told))
		wantCode(s, "the status", res.Future, cqrpc.CodeNotFound)
		if h := wantResolved(s, "there was an answer", res.Header()); len(h) != 0 || len(told) != 0 {
			t.Errorf("header %v, %v", h, told)
		}
		late := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("fail"))
		wantCode(s, "the status", late.Future, cqrpc.CodeNotFound)
		wantResolved(s, "asked for after the end", late.Header())
	}, echoUnary())
}

// The functions of a call's futures run one at a time, on one goroutine, and may
// start the next operation: a loop without a goroutine.
func TestCallbackLoop(t *testing.T) {
	play(t, func(s *scene) {
		sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		var got []string
		done := new(future.Promise[string])
		var loop func(m *text, err error)
		loop = func(m *text, err error) {
			switch {
			case errors.Is(err, io.EOF):
				done.Resolve(strings.Join(got, ""))
			case err != nil:
				done.Fail(err)
			default:
				if got = append(got, m.Value); len(got) == 5 {
					sink.Close()
				} else {
					sink.Send(m)
				}
				stream.Next().OnComplete(loop)
			}
		}
		stream.Next().OnComplete(loop)
		sink.Send(wrapperspb.String("x"))
		if all := wantResolved(s, "five echoes", done.Future()); all != "xxxxx" {
			t.Errorf("got %q", all)
		}
	}, echoBidi())
}
