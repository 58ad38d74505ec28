package future_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/server"
)

// BenchmarkUnary is one call at a time, next to the same in the sync style. The
// server is the same: subtract.
func BenchmarkUnary(b *testing.B) {
	req := wrapperspb.String("hello")
	b.Run("future", func(b *testing.B) {
		x := newSite(b, future.NewEnvironment(1), echoUnary())
		b.ReportAllocs()
		for b.Loop() {
			if _, err := clientfuture.Unary(b.Context(), x.stub, unary, req).Await(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sync", func(b *testing.B) {
		x := newSite(b, future.NewEnvironment(1), echoUnary())
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.Unary(b.Context(), x.ch, unary, req); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkUnaryInFlight keeps 64 calls in flight without a goroutine of their
// own: each answer starts the next call, on the poller.
func BenchmarkUnaryInFlight(b *testing.B) {
	x := newSite(b, future.NewEnvironment(1), echoUnary())
	req := wrapperspb.String("hello")
	b.ReportAllocs()
	done := make(chan struct{})
	left, open := b.N, 64
	var next func(*text, error)
	next = func(_ *text, err error) {
		switch {
		case err != nil:
			b.Error(err)
			fallthrough
		case left <= 0:
			if open--; open == 0 {
				close(done)
			}
		default:
			left--
			clientfuture.Unary(b.Context(), x.stub, unary, req).OnComplete(next)
		}
	}
	if err := x.env.Spawn(func() {
		for range open {
			next(nil, nil)
		}
	}); err != nil {
		b.Fatal(err)
	}
	<-done
}

func BenchmarkPingPong(b *testing.B) {
	req := wrapperspb.String("hello")
	b.Run("future", func(b *testing.B) {
		x := newSite(b, future.NewEnvironment(1), echoBidi())
		sink, stream := clientfuture.BidiStream(b.Context(), x.stub, bidi)
		defer stream.Close()
		b.ReportAllocs()
		for b.Loop() {
			sink.Send(req)
			if _, err := stream.Next().Await(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sync", func(b *testing.B) {
		x := newSite(b, future.NewEnvironment(1), echoBidi())
		s, err := client.BidiStream(b.Context(), x.ch, bidi)
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Send(req); err != nil {
				b.Fatal(err)
			}
			if _, err := s.Recv(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkIdleStream reports what an idle duplex stream that waits for a
// message costs, the engine on both sides and the client's style, and what the
// leak detector adds to that.
func BenchmarkIdleStream(b *testing.B) {
	for _, c := range []struct {
		name string
		opts []future.Option
	}{
		{"plain", nil},
		{"leak handler", []future.Option{future.WithLeakHandler(func(future.Leak) {})}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var arrived atomic.Int64
			x := newSite(b, future.NewEnvironment(1, c.opts...),
				server.NewHandler(bidi.Name, call.BidiStream, func(a server.Accepted) {
					arrived.Add(1)
					a.Release()
					a.Done()
				}))
			const streams = 900 // a connection has room for 1000
			sinks := make([]*clientfuture.Sink[text], streams)
			open := make([]*clientfuture.Stream[text], streams)
			before, goroutines := heap(), runtime.NumGoroutine()
			for i := range streams {
				sinks[i], open[i] = clientfuture.BidiStream(b.Context(), x.stub, bidi)
				open[i].Next()
			}
			for arrived.Load() < streams {
				runtime.Gosched()
			}
			b.ReportMetric(float64(heap()-before)/streams, "B/stream")
			b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
			b.ReportMetric(0, "ns/op")
			for i, s := range open {
				s.Close()
				sinks[i].Cancel()
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
