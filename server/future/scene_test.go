package future_test

import (
	"context"
	"errors"
	"io"
	"net"
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
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

// text is the message of the tests' methods.
type text = wrapperspb.StringValue

var (
	unary        = call.Method[text, text]{Name: "/test.Echo/Unary", Shape: call.Unary}
	clientStream = call.Method[text, text]{Name: "/test.Echo/ClientStream", Shape: call.ClientStream}
	serverStream = call.Method[text, text]{Name: "/test.Echo/ServerStream", Shape: call.ServerStream}
	bidi         = call.Method[text, text]{Name: "/test.Echo/Bidi", Shape: call.BidiStream}
)

// scene is a client and a server in the future style, in one bubble, each with
// its own environment.
type scene struct {
	*testing.T
	near, far *future.Environment // the client's, the server's
	server    *server.Server
	ch        *client.Channel
	stub      *clientfuture.Stub
	net       *memconn.Listener

	conn   *memconn.Conn // the client's end of the connection
	panics []any
}

// play runs script in a bubble with a server of what handlers makes. In the end
// nothing must be left open: no call in flight, no goroutine, no buffer.
func play(t *testing.T, handlers func(*future.Environment) []server.Handler, script func(s *scene)) {
	t.Helper()
	playWith(t, nil, handlers, script)
}

// playWith is play with a server that has options.
func playWith(
	t *testing.T, opts []server.Option, handlers func(*future.Environment) []server.Handler, script func(s *scene),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		leak.Check(t)
		leak.Buffers(t)
		s := &scene{T: t, net: memconn.Listen(), near: future.NewEnvironment(1)}
		s.far = future.NewEnvironment(2, future.WithPanicHandler(func(v any, _ []byte) { s.panics = append(s.panics, v) }))
		s.server = server.New(append(opts,
			server.WithPanicHandler(func(_ string, v any, _ []byte) { s.panics = append(s.panics, v) }))...)
		if err := s.server.Register(handlers(s.far)...); err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.server.Serve(s.net) }()
		ch, err := client.NewChannel("passthrough:///mem", client.WithInsecure(), client.WithDialer(s.dial))
		if err != nil {
			t.Fatal(err)
		}
		s.ch, s.stub = ch, clientfuture.New(ch, s.near)
		t.Cleanup(func() { s.end(served) })
		script(s)
	})
}

func (s *scene) end(served chan error) {
	synctest.Wait()
	for _, env := range []*future.Environment{s.near, s.far} {
		if err := env.Close(); err != nil && !s.Failed() {
			s.Errorf("Close of an environment: %v", err)
		}
	}
	if err := s.ch.Close(); err != nil {
		s.Error(err)
	}
	if err := s.server.Close(); err != nil {
		s.Error(err)
	}
	if err := <-served; !errors.Is(err, server.ErrServerClosed) {
		s.Error(err)
	}
}

func (s *scene) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	nc, err := s.net.Dial(ctx)
	s.conn = nc
	return nc, err
}

// handlers serves with the given ones.
func handlers(hs ...func(*future.Environment) server.Handler) func(*future.Environment) []server.Handler {
	return func(env *future.Environment) (all []server.Handler) {
		for _, h := range hs {
			all = append(all, h(env))
		}
		return all
	}
}

// wantResolved wants a future to be resolved by now, and returns its value.
func wantResolved[T any](s *scene, why string, f *future.Future[T]) T {
	s.Helper()
	synctest.Wait()
	v, err, ok := f.Poll()
	if !ok || err != nil {
		s.Fatalf("%s: resolved %v, error %v", why, ok, err)
	}
	return v
}

func wantPending[T any](s *scene, why string, f *future.Future[T]) {
	s.Helper()
	synctest.Wait()
	if v, err, ok := f.Poll(); ok {
		s.Fatalf("%s: resolved with %v, %v", why, v, err)
	}
}

// wantFailed wants a future to have failed with an error by now.
func wantFailed[T any](s *scene, why string, f *future.Future[T], want error) {
	s.Helper()
	synctest.Wait()
	v, err, ok := f.Poll()
	if !ok || !errors.Is(err, want) {
		s.Fatalf("%s: resolved %v with %v, error %v; want %v", why, ok, v, err, want)
	}
}

// wantCode wants a future to have failed with a call's error by now.
func wantCode[T any](s *scene, why string, f *future.Future[T], code cqrpc.Code, words ...string) *cqrpc.Error {
	s.Helper()
	synctest.Wait()
	v, err, ok := f.Poll()
	e, isError := errors.AsType[*cqrpc.Error](err)
	if !ok || !isError || e.Status.Code != code {
		s.Fatalf("%s: resolved %v with %v, error %v; want %v", why, ok, v, err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			s.Fatalf("%s: error %v; want %q in it", why, err, w)
		}
	}
	return e
}

func (s *scene) wantText(why string, f *future.Future[*text], want string) {
	s.Helper()
	if m := wantResolved(s, why, f); m.Value != want {
		s.Fatalf("%s: %q; want %q", why, m.Value, want)
	}
}

// goroutines is how many there are, but for those of tests.
func goroutines() int {
	synctest.Wait()
	return leak.InBubble()
}

func (s *scene) advance(d time.Duration) {
	time.Sleep(d) // fake clock
	synctest.Wait()
}

// onUnary, onServerStream, onClientStream and onBidi serve the four methods.
func onUnary(
	f func(ctx *serverfuture.Context, req *text, sink *serverfuture.ResponseSink[text]),
) func(*future.Environment) server.Handler {
	return func(env *future.Environment) server.Handler { return serverfuture.Unary(unary, f, env) }
}

func onServerStream(
	f func(ctx *serverfuture.Context, req *text, sink *serverfuture.Sink[text]),
) func(*future.Environment) server.Handler {
	return func(env *future.Environment) server.Handler { return serverfuture.ServerStream(serverStream, f, env) }
}

func onClientStream(
	f func(ctx *serverfuture.Context, in *serverfuture.Stream[text], sink *serverfuture.ResponseSink[text]),
) func(*future.Environment) server.Handler {
	return func(env *future.Environment) server.Handler { return serverfuture.ClientStream(clientStream, f, env) }
}

func onBidi(
	f func(ctx *serverfuture.Context, in *serverfuture.Stream[text], sink *serverfuture.Sink[text]),
) func(*future.Environment) server.Handler {
	return func(env *future.Environment) server.Handler { return serverfuture.BidiStream(bidi, f, env) }
}

// echo answers each request with itself, without a goroutine.
func echo(_ *serverfuture.Context, in *serverfuture.Stream[text], sink *serverfuture.Sink[text]) {
	var loop func(m *text, err error)
	loop = func(m *text, err error) {
		switch {
		case errors.Is(err, io.EOF):
			sink.Close()
		case err != nil:
			sink.Fail(cqrpc.StatusOf(err))
		default:
			sink.Send(m).OnComplete(func(_ struct{}, err error) {
				if err == nil {
					in.Next().OnComplete(loop)
				}
			})
		}
	}
	in.Next().OnComplete(loop)
}
