package future_test

import (
	"context"
	"errors"
	"fmt"
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
)

// text is the message of the tests' methods.
type text = wrapperspb.StringValue

var (
	unary        = call.Method[text, text]{Name: "/test.Echo/Unary", Shape: call.Unary}
	clientStream = call.Method[text, text]{Name: "/test.Echo/ClientStream", Shape: call.ClientStream}
	serverStream = call.Method[text, text]{Name: "/test.Echo/ServerStream", Shape: call.ServerStream}
	bidi         = call.Method[text, text]{Name: "/test.Echo/Bidi", Shape: call.BidiStream}
)

// scene is a client in the future style and a server in the sync style, in one
// bubble.
type scene struct {
	*testing.T
	env  *future.Environment
	ch   *client.Channel
	stub *clientfuture.Stub
	net  *memconn.Listener

	conn *memconn.Conn // the client's end of the connection
}

// play runs script in a bubble. In the end nothing must be left open: no call in
// flight, no goroutine, no buffer.
func play(t *testing.T, script func(s *scene), handlers ...server.Handler) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		leak.Check(t)
		leak.Buffers(t)
		s := &scene{T: t, net: memconn.Listen(), env: future.NewEnvironment(2)}
		s.serve(handlers)
		ch, err := client.NewChannel("passthrough:///mem", client.WithInsecure(), client.WithDialer(s.dial))
		if err != nil {
			t.Fatal(err)
		}
		s.ch, s.stub = ch, clientfuture.New(ch, s.env)
		t.Cleanup(s.end)
		script(s)
	})
}

func (s *scene) end() {
	synctest.Wait()
	if err := s.env.Close(); err != nil && !s.Failed() {
		s.Errorf("Close of the environment: %v", err)
	}
	if err := s.ch.Close(); err != nil {
		s.Error(err)
	}
}

func (s *scene) serve(handlers []server.Handler, opts ...server.Option) {
	srv := server.New(opts...)
	if err := srv.Register(handlers...); err != nil {
		s.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(s.net) }()
	s.Cleanup(func() {
		if err := srv.Close(); err != nil {
			s.Error(err)
		}
		if err := <-served; !errors.Is(err, server.ErrServerClosed) {
			s.Error(err)
		}
	})
}

func (s *scene) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	nc, err := s.net.Dial(ctx)
	s.conn = nc
	return nc, err
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

func (s *scene) advance(d time.Duration) {
	time.Sleep(d) // fake clock
	synctest.Wait()
}

// echoUnary answers with the request; "fail" with NOT_FOUND.
func echoUnary() server.Handler {
	return server.Unary(unary, func(_ context.Context, req *text) (*text, error) {
		if req.Value == "fail" {
			return nil, cqrpc.Errorf(cqrpc.CodeNotFound, "no such thing")
		}
		return req, nil
	})
}

// hangUnary answers when the call is over.
func hangUnary() server.Handler {
	return server.Unary(unary, func(ctx context.Context, _ *text) (*text, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
}

// count answers with as many messages as the request has bytes, then with err.
func count(err error) server.Handler {
	return server.ServerStream(serverStream, func(_ context.Context, req *text, out *server.Sender[text]) error {
		for i := range len(req.Value) {
			if err := out.Send(wrapperspb.String(fmt.Sprint(i))); err != nil {
				return err
			}
		}
		return err
	})
}

// join answers with all requests, one after the other.
func join() server.Handler {
	return server.ClientStream(clientStream, func(_ context.Context, in *server.Receiver[text]) (*text, error) {
		var all []string
		for m, err := range in.All() {
			if err != nil {
				return nil, err
			}
			all = append(all, m.Value)
		}
		return wrapperspb.String(strings.Join(all, ",")), nil
	})
}

// echoBidi answers each request with itself.
func echoBidi() server.Handler {
	return server.BidiStream(bidi, func(
		_ context.Context, in *server.Receiver[text], out *server.Sender[text],
	) error {
		for {
			m, err := in.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := out.Send(m); err != nil {
				return err
			}
		}
	})
}
