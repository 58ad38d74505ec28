package future_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
	"github.com/cqrpc/cqrpc/transport"
)

func encoded(s string) []byte {
	b, err := proto.Marshal(wrapperspb.String(s))
	if err != nil {
		panic(err)
	}
	return b
}

// peer is a scripted client of the scene's server.
func (s *scene) peer(settings ...http2.Setting) *h2peer.Peer {
	s.Helper()
	nc, err := s.net.Dial(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	p := h2peer.New(s.T, net.Conn(nc), h2peer.Client)
	p.Greet(settings...)
	p.Ignore(http2.FrameWindowUpdate, http2.FramePing)
	return p
}

// The first message goes out at once, with the headers, whatever it is told; the
// others are kept back as on the client (grpc-rs enhance_batch).
func TestEnhanceBatch(t *testing.T) {
	var k keep
	play(t, handlers(k.bidi()), func(s *scene) {
		p := s.peer()
		p.Request(1, bidi.Name)
		p.WantIdle("nobody has answered")
		k.sink.EnhanceBatch(true)
		wantResolved(s, "sent", k.sink.Send(wrapperspb.String("a"), call.BufferHint))
		p.WantResponse("with the first message", 1)
		p.WantMessage("at once", 1, false, encoded("a"))
		wantResolved(s, "kept back", k.sink.Send(wrapperspb.String("b")))
		p.WantIdle("it is kept back")
		wantResolved(s, "the one before", k.sink.Send(wrapperspb.String("c")))
		p.WantMessage("the one before", 1, false, encoded("b"))
		wantResolved(s, "all", k.sink.Flush())
		p.WantMessage("the last", 1, false, encoded("c"))
		wantResolved(s, "kept back", k.sink.Send(wrapperspb.String("d")))
		closed := k.sink.Close()
		p.WantMessage("before the status", 1, false, encoded("d"))
		p.WantTrailers("the end", 1, 0)
		p.WantRST("the client had not ended", 1, http2.ErrCodeNo)
		wantResolved(s, "the end", closed)
		wantFailed(s, "closed", k.sink.Send(wrapperspb.String("e")), future.ErrClosed)
	})
}

// The first message has no hint: its future is resolved when it was written, and
// the status goes out behind it.
func TestFirstMessageHasNoHint(t *testing.T) {
	var k keep
	play(t, handlers(k.bidi()), func(s *scene) {
		p := s.peer(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		p.Request(1, bidi.Name)
		p.WantIdle("nobody has answered")
		first := k.sink.Send(wrapperspb.String("a"), call.BufferHint)
		second := k.sink.Send(wrapperspb.String("b"), call.BufferHint)
		p.WantResponse("headers need no window", 1)
		wantPending(s, "there is no room", first)
		wantPending(s, "one at a time", second)
		wantFailed(s, "a third is too much", k.sink.Send(new(text)), future.ErrPending)
		failed := k.sink.Fail(cqrpc.Status{Code: cqrpc.CodeAborted})
		p.WriteWindowUpdate(1, 1000)
		p.WantMessage("in order", 1, false, encoded("a"))
		p.WantMessage("in order", 1, false, encoded("b"))
		p.WantTrailers("behind them", 1, int(cqrpc.CodeAborted))
		p.WantRST("the client had not ended", 1, http2.ErrCodeNo)
		wantResolved(s, "sent", first)
		wantResolved(s, "sent", second)
		wantResolved(s, "sent", failed)
	})
}

// A status without messages is the whole response, unless headers were set.
func TestTrailersOnly(t *testing.T) {
	play(t, handlers(onServerStream(func(_ *serverfuture.Context, req *text, sink *serverfuture.Sink[text]) {
		if req.Value != "" {
			if err := sink.SetHeader(cqrpc.Pairs("h", req.Value)); err != nil {
				t.Error(err)
			}
		}
		sink.Fail(cqrpc.Status{}) // OK is no failure
	})), func(s *scene) {
		p := s.peer()
		p.Request(1, serverStream.Name)
		p.WriteMessage(1, true, nil)
		p.WantHeaders("Trailers-Only", 1, true, ":status", "200", "grpc-status", "2")
		p.Request(3, serverStream.Name)
		p.WriteMessage(3, true, encoded("x"))
		p.WantResponse("headers", 3, "h", "x")
		p.WantTrailers("and trailers", 3, int(cqrpc.CodeUnknown))
	})
}

func TestSendAll(t *testing.T) {
	play(t, handlers(onServerStream(func(ctx *serverfuture.Context, _ *text, sink *serverfuture.Sink[text]) {
		go func() {
			messages := []*text{wrapperspb.String("a"), wrapperspb.String("b"), wrapperspb.String("c")}
			if err := sink.SendAll(ctx, slices.Values(messages)); err != nil {
				t.Error(err)
			}
			sink.Close()
		}()
	})), func(s *scene) {
		var got []string
		for m, err := range clientfuture.ServerStream(s.Context(), s.stub, serverStream, new(text)).All(s.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m.Value)
		}
		if all := strings.Join(got, ""); all != "abc" {
			t.Errorf("got %q", all)
		}
	})
}

// Who closes the requests does not hold the client back.
func TestStreamClose(t *testing.T) {
	var k keep
	play(t, handlers(k.bidi()), func(s *scene) {
		sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		wantResolved(s, "sent", sink.Send(wrapperspb.String("read")))
		s.wantText("read", k.next, "read")
		waiting := k.in.Next()
		k.in.Close()
		wantFailed(s, "closed", waiting, future.ErrClosed)
		wantFailed(s, "closed", k.in.Next(), future.ErrClosed)
		big := wrapperspb.String(strings.Repeat("x", 64<<10))
		for range 40 {
			wantResolved(s, "nobody reads, and nobody is held back", sink.Send(big))
		}
		k.sink.Close()
		wantFailed(s, "the call has gone on", stream.Next(), io.EOF)
	})
}

// Everything about a call runs on one poller, one thing at a time; Spawn comes
// after what runs now, even if it is called from there (grpc-rs kick, deadlock).
func TestSpawn(t *testing.T) {
	var running atomic.Int64
	play(t, handlers(onUnary(func(ctx *serverfuture.Context, _ *text, sink *serverfuture.ResponseSink[text]) {
		var order []string
		alone := func(name string) {
			if running.Add(1) != 1 {
				t.Error("two at once")
			}
			order = append(order, name)
			running.Add(-1)
		}
		spawn := func(f func()) {
			if err := ctx.Spawn(f); err != nil {
				t.Error(err)
			}
		}
		spawn(func() {
			alone("spawned")
			spawn(func() {
				alone("by the spawned")
				go spawn(func() {
					alone("from outside")
					sink.Success(wrapperspb.String(strings.Join(order, ", ")))
				})
			})
		})
		alone("handler")
	})), func(s *scene) {
		s.wantText("in order", clientfuture.Unary(s.Context(), s.stub, unary, new(text)).Future,
			"handler, spawned, by the spawned, from outside")
	})
}

// A client that has a status may make its next call at once, although the server
// allows only one: the call was released before its status went out.
func TestReleaseBeforeTheStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := future.NewEnvironment(1)
		srv := server.New(server.WithTransport(transport.Config{MaxConcurrentStreams: 1}))
		err := srv.Register(serverfuture.Unary(unary, func(
			_ *serverfuture.Context, req *text, sink *serverfuture.ResponseSink[text],
		) {
			sink.Success(req)
		}, env), serverfuture.BidiStream(bidi, echo, env))
		if err != nil {
			t.Fatal(err)
		}
		s := &scene{T: t, net: memconn.Listen(), far: env, near: future.NewEnvironment(1), server: srv}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(s.net) }()
		ch, err := client.NewChannel("passthrough:///mem", client.WithInsecure(), client.WithDialer(s.dial))
		if err != nil {
			t.Fatal(err)
		}
		s.ch, s.stub = ch, clientfuture.New(ch, s.near)
		defer s.end(served)
		for i := range 200 {
			if _, err := clientfuture.Unary(t.Context(), s.stub, unary, wrapperspb.String(fmt.Sprint(i))).Await(t.Context()); err != nil {
				t.Fatal(i, err)
			}
			sink, stream := clientfuture.BidiStream(t.Context(), s.stub, bidi)
			sink.Close()
			if _, err := stream.Recv(t.Context()); !errors.Is(err, io.EOF) {
				t.Fatal(i, err)
			}
		}
	})
}

// Calls that are reset before their handler ran are released too.
func TestRapidReset(t *testing.T) {
	play(t, handlers(onUnary(func(_ *serverfuture.Context, req *text, sink *serverfuture.ResponseSink[text]) {
		sink.Success(req)
	}), onBidi(echo)), func(s *scene) {
		for i := range 500 {
			res := clientfuture.Unary(s.Context(), s.stub, unary, new(text))
			_, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
			if i%2 == 0 {
				time.Sleep(time.Duration(i) * time.Nanosecond) // fake clock
			}
			res.Cancel()
			stream.Close()
		}
		synctest.Wait()
		if err := s.server.Shutdown(s.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}
