package future_test

import (
	"context"
	"runtime"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/server"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

// answerUnary answers with the request.
func answerUnary(env *future.Environment) server.Handler {
	return serverfuture.Unary(unary, func(_ *serverfuture.Context, req *text, sink *serverfuture.ResponseSink[text]) {
		sink.Success(req)
	}, env)
}

// BenchmarkUnary is one call at a time, next to a server in the sync style. The
// client is the same: subtract.
func BenchmarkUnary(b *testing.B) {
	for name, handler := range map[string]func(*future.Environment) server.Handler{
		"future": answerUnary,
		"sync": func(*future.Environment) server.Handler {
			return server.Unary(unary, func(_ context.Context, req *text) (*text, error) { return req, nil })
		},
	} {
		b.Run(name, func(b *testing.B) {
			env := future.NewEnvironment(1)
			x := newSite(b, env, handler(env))
			req := wrapperspb.String("hello")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.Unary(b.Context(), x.ch, unary, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkUnaryInFlight is both sides in this style, on one poller, with 64 calls
// in flight: each answer starts the next call.
func BenchmarkUnaryInFlight(b *testing.B) {
	env := future.NewEnvironment(1)
	x := newSite(b, env, answerUnary(env))
	req := wrapperspb.String("hello")
	b.ReportAllocs()
	done := make(chan struct{})
	left, open := b.N, 64
	var next func(*text, error)
	next = func(_ *text, err error) {
		if err != nil {
			b.Error(err)
		}
		if left <= 0 || err != nil {
			if open--; open == 0 {
				close(done)
			}
			return
		}
		left--
		clientfuture.Unary(b.Context(), x.stub, unary, req).OnComplete(next)
	}
	if err := env.Spawn(func() {
		for range open {
			next(nil, nil)
		}
	}); err != nil {
		b.Fatal(err)
	}
	<-done
}

func BenchmarkPingPong(b *testing.B) {
	env := future.NewEnvironment(1)
	x := newSite(b, env, serverfuture.BidiStream(bidi, echo, env))
	sink, stream := clientfuture.BidiStream(b.Context(), x.stub, bidi)
	defer stream.Close()
	req := wrapperspb.String("hello")
	b.ReportAllocs()
	for b.Loop() {
		sink.Send(req)
		if _, err := stream.Next().Await(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIdleStream reports what an idle duplex stream on which both sides
// wait for a message costs: everything, on both sides.
func BenchmarkIdleStream(b *testing.B) {
	env := future.NewEnvironment(1)
	arrived := make(chan struct{}, 1000)
	x := newSite(b, env, serverfuture.BidiStream(bidi, func(
		_ *serverfuture.Context, in *serverfuture.Stream[text], sink *serverfuture.Sink[text],
	) {
		in.Next().OnComplete(func(_ *text, err error) { sink.Close() })
		arrived <- struct{}{}
	}, env))
	const streams = 900 // a connection has room for 1000
	sinks := make([]*clientfuture.Sink[text], streams)
	open := make([]*clientfuture.Stream[text], streams)
	before, goroutines := heap(), runtime.NumGoroutine()
	for i := range streams {
		sinks[i], open[i] = clientfuture.BidiStream(context.Background(), x.stub, bidi)
		open[i].Next()
	}
	for range streams {
		<-arrived
	}
	b.ReportMetric(float64(heap()-before)/streams, "B/stream")
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
	b.ReportMetric(0, "ns/op")
	for i, s := range open {
		s.Close()
		sinks[i].Cancel()
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
