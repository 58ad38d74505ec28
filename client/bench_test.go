package client

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/memconn"
)

// echoChannel is a ready channel to an echo server over memory.
func echoChannel(tb testing.TB, opts ...Option) *Channel {
	tb.Helper()
	l := memconn.Listen()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			serveEcho(nc)
		}
	}()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) }
	opts = append([]Option{WithInsecure(), WithDialer(dial), WithCodec(codec.Bytes())}, opts...)
	ch, err := NewChannel("passthrough:///echo", opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ch.Close()
		l.Close()
	})
	if err := ch.AwaitReady(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return ch
}

func BenchmarkUnary(b *testing.B) {
	ch := echoChannel(b)
	req := make([]byte, 128)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Unary(b.Context(), ch, unaryMethod, &req); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnaryParallel(b *testing.B) {
	ch := echoChannel(b)
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		req := make([]byte, 128)
		for pb.Next() {
			if _, err := Unary(b.Context(), ch, unaryMethod, &req); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkUnaryTurns is BenchmarkUnary on several connections.
func BenchmarkUnaryTurns(b *testing.B) {
	ch := echoChannel(b, WithConnections(4))
	req := make([]byte, 128)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Unary(b.Context(), ch, unaryMethod, &req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPick is the choice of one connection among many, by all processors at once.
func BenchmarkPick(b *testing.B) {
	var p picker = &roundRobin{make([]single, 10), new(atomic.Uint64)}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p.pick(pickInfo{method: unaryMethod.Name})
		}
	})
}

// BenchmarkNewCall keeps 64 batch-level calls in flight on one goroutine.
func BenchmarkNewCall(b *testing.B) {
	ch := echoChannel(b)
	q := cq.New()
	req := make([]byte, 128)
	type slot struct {
		call *call.Call
		res  []byte
		st   cqrpc.Status
	}
	start := func(s *slot) {
		s.call = ch.NewCall(q, unaryMethod.Name)
		err := s.call.StartBatch([]call.Op{
			call.SendInitialMetadata(nil), call.SendValue(&req), call.SendClose(),
			call.RecvInitialMetadata(nil), call.RecvValue(&s.res, nil), call.RecvStatus(&s.st, nil),
		}, s)
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for range 64 {
		start(new(slot))
	}
	for b.Loop() {
		s := q.Next(b.Context()).Tag.(*slot)
		if s.st.Code != cqrpc.CodeOK {
			b.Fatal(s.st)
		}
		s.call.Close()
		start(s)
	}
	for range 64 {
		q.Next(b.Context()).Tag.(*slot).call.Close()
	}
}

func BenchmarkBidiPingPong(b *testing.B) {
	ch := echoChannel(b)
	stream, err := BidiStream(b.Context(), ch, bidiMethod)
	if err != nil {
		b.Fatal(err)
	}
	defer stream.Close()
	req := make([]byte, 128)
	b.ReportAllocs()
	for b.Loop() {
		if err := stream.Send(&req); err != nil {
			b.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			b.Fatal(err)
		}
	}
}
