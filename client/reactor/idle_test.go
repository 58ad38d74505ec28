package reactor_test

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/reactor"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
	serverreactor "github.com/cqrpc/cqrpc/server/reactor"
	"github.com/cqrpc/cqrpc/transport"
)

// BenchmarkIdleStream reports what an idle bidi stream costs that waits for a
// message on both sides, and how many goroutines: with a reactor on the client
// or batches, and with a reactor on the server or nothing but the call.
func BenchmarkIdleStream(b *testing.B) {
	waiting := func(arrived *atomic.Int64) server.Handler {
		return serverreactor.BidiStream(bidi, func(*serverreactor.Context) serverreactor.BidiReactor[text, text] {
			r := new(parrot)
			r.StartRead(&r.req)
			arrived.Add(1)
			return r
		})
	}
	bare := func(arrived *atomic.Int64) server.Handler {
		return server.NewHandler(bidi.Name, call.BidiStream, func(a server.Accepted) {
			arrived.Add(1)
			a.Release()
			a.Done()
		})
	}
	for _, c := range []struct {
		name    string
		handler func(arrived *atomic.Int64) server.Handler
		open    func(stub *reactor.Stub, ch *client.Channel) (cancel func())
	}{
		{"reactors", waiting, openReactor(b)},
		{"bare server", bare, openReactor(b)},
		{"bare client", waiting, openBare(b)},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				idleStreams(b, c.handler, c.open)
			}
		})
	}
}

func openReactor(b *testing.B) func(stub *reactor.Stub, ch *client.Channel) func() {
	return func(stub *reactor.Stub, _ *client.Channel) func() {
		p := new(pinger)
		reactor.BidiStream(b.Context(), stub, bidi, p)
		p.StartRead(&p.res)
		p.StartCall()
		return p.TryCancel
	}
}

func openBare(b *testing.B) func(stub *reactor.Stub, ch *client.Channel) func() {
	return func(_ *reactor.Stub, ch *client.Channel) func() {
		var p client.Prepared
		ch.Prepare(b.Context(), &p, cq.Discard, bidi.Name, false)
		k := p.Call
		if err := k.StartBatch([]call.Op{call.SendInitialMetadata(nil)}, nil); err != nil {
			b.Error(err)
		}
		return k.Cancel
	}
}

func idleStreams(
	b *testing.B, handler func(arrived *atomic.Int64) server.Handler,
	open func(stub *reactor.Stub, ch *client.Channel) func(),
) {
	const streams = 2000
	var arrived atomic.Int64
	srv := server.New(server.WithTransport(transport.Config{MaxConcurrentStreams: streams}))
	if err := srv.Register(handler(&arrived)); err != nil {
		b.Fatal(err)
	}
	ch := connect(b, srv)
	stub, cancels := reactor.New(ch), make([]func(), streams)
	before, goroutines := heap(), runtime.NumGoroutine()
	for i := range cancels {
		cancels[i] = open(stub, ch)
	}
	for arrived.Load() < streams {
		runtime.Gosched()
	}
	b.ReportMetric(float64(heap()-before)/streams, "B/stream")
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
	for _, cancel := range cancels {
		cancel()
	}
	if err := errors.Join(ch.Close(), srv.Close()); err != nil {
		b.Error(err)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
