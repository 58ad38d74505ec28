package future_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
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

// What the application drops without closing it is cancelled by the garbage
// collector, if the environment was told to (grpc-rs client_cancel_on_dropping).
func TestDroppedSinkAndStream(t *testing.T) {
	leaks := make(chan future.Leak, 10)
	began, cancelled := make(chan bool, 10), make(chan error, 10)
	ended := func(ctx context.Context) error {
		began <- true
		<-ctx.Done()
		cancelled <- context.Cause(ctx)
		return ctx.Err()
	}
	env := future.NewEnvironment(1, future.WithLeakHandler(func(l future.Leak) { leaks <- l }))
	x := newSite(t, env,
		server.BidiStream(bidi, func(ctx context.Context, _ *server.Receiver[text], _ *server.Sender[text]) error {
			return ended(ctx)
		}),
		server.ServerStream(serverStream, func(ctx context.Context, _ *text, _ *server.Sender[text]) error {
			return ended(ctx)
		}),
		server.ClientStream(clientStream, func(ctx context.Context, _ *server.Receiver[text]) (*text, error) {
			return nil, ended(ctx)
		}))
	for _, c := range []struct {
		drop func()
		want future.Leak
	}{
		{
			func() { clientfuture.ServerStream(t.Context(), x.stub, serverStream, new(text)) },
			future.Leak{Method: serverStream.Name, Side: "client", End: "stream"},
		},
		{
			func() { clientfuture.ClientStream(t.Context(), x.stub, clientStream) },
			future.Leak{Method: clientStream.Name, Side: "client", End: "sink"},
		},
	} {
		c.drop()
		<-began // else the call might be cancelled before it has got there
		collect(t, func() bool { return len(leaks) > 0 })
		if l := <-leaks; l != c.want {
			t.Errorf("leak %v, want %v", l, c.want)
		}
		<-cancelled
	}
	// Of a duplex call either end will do.
	clientfuture.BidiStream(t.Context(), x.stub, bidi)
	<-began
	collect(t, func() bool { return len(leaks) > 0 })
	<-cancelled
}

// A sink or stream with an operation outstanding is not dropped, although only
// the future is in anybody's hands; nor is one that was closed a leak.
func TestWhatIsNotDropped(t *testing.T) {
	var leaked atomic.Int64
	env := future.NewEnvironment(1, future.WithLeakHandler(func(future.Leak) { leaked.Add(1) }))
	x := newSite(t, env, echoBidi())
	sink, next := func() (*clientfuture.Sink[text], *future.Future[*text]) {
		sink, stream := clientfuture.BidiStream(t.Context(), x.stub, bidi)
		return sink, stream.Next()
	}()
	garbage := make(chan struct{})
	runtime.AddCleanup(new([]byte), func(int) { close(garbage) }, 0)
	collect(t, func() bool {
		select {
		case <-garbage:
			return true
		default:
			return false
		}
	})
	sink.Send(wrapperspb.String("x"))
	if m, err := next.Await(t.Context()); err != nil || m.Value != "x" {
		t.Fatalf("%v, %v", m, err)
	}
	sink.Cancel()
	if n := leaked.Load(); n != 0 {
		t.Errorf("%d leaks were reported", n)
	}
}
