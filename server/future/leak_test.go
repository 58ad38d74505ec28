package future_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

// site is a server over memory, and an environment with a channel to it, outside
// of any bubble: there the garbage collector's cleanups may touch them.
type site struct {
	env  *future.Environment
	ch   *client.Channel
	stub *clientfuture.Stub
}

func newSite(tb testing.TB, env *future.Environment, handlers ...server.Handler) *site {
	tb.Helper()
	srv, lis := server.New(), memconn.Listen()
	if err := srv.Register(handlers...); err != nil {
		tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return lis.Dial(ctx) }
	ch, err := client.NewChannel("passthrough:///mem", client.WithInsecure(), client.WithDialer(dial))
	if err != nil {
		tb.Fatal(err)
	}
	if err := ch.AwaitReady(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	x := &site{env: env, ch: ch, stub: clientfuture.New(ch, env)}
	tb.Cleanup(func() {
		if err := ch.Close(); err != nil {
			tb.Error(err)
		}
		if err := errors.Join(srv.Close(), <-served); !errors.Is(err, server.ErrServerClosed) {
			tb.Error(err)
		}
		if err := env.Close(); err != nil {
			tb.Error(err)
		}
	})
	return x
}

// collect runs the garbage collector until the condition holds.
func collect(t *testing.T, holds func() bool) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		runtime.GC()
		runtime.Gosched()
	}
	t.Fatal("the garbage collector found nothing")
}

// A sink that the handler drops without using it is cancelled by the garbage
// collector, if the environment was told to (grpc-rs server_cancel_on_dropping).
func TestDroppedSink(t *testing.T) {
	leaks := make(chan future.Leak, 10)
	env := future.NewEnvironment(1, future.WithLeakHandler(func(l future.Leak) { leaks <- l }))
	x := newSite(t, env,
		serverfuture.Unary(unary, func(_ *serverfuture.Context, req *text, sink *serverfuture.ResponseSink[text]) {
			if req.Value != "" {
				sink.Success(req)
			}
		}, env),
		serverfuture.ServerStream(serverStream, func(*serverfuture.Context, *text, *serverfuture.Sink[text]) {}, env))
	for range 10 {
		res := clientfuture.Unary(t.Context(), x.stub, unary, wrapperspb.String("used"))
		if _, err := res.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	res := clientfuture.Unary(t.Context(), x.stub, unary, new(text))
	stream := clientfuture.ServerStream(t.Context(), x.stub, serverStream, new(text))
	next := stream.Next()
	collect(t, func() bool { return len(leaks) == 2 })
	for range 2 {
		if l := <-leaks; l.Side != "server" || l.End != "sink" || l.Method != unary.Name && l.Method != serverStream.Name {
			t.Errorf("leak %v", l)
		}
	}
	for _, f := range []*future.Future[*text]{res.Future, next} {
		if _, err := f.Await(t.Context()); cqrpc.CodeOf(err) != cqrpc.CodeCanceled {
			t.Errorf("the client got %v", err)
		}
	}
	stream.Close()
}
