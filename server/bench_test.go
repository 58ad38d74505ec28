package server_test

import (
	"context"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

func benchServer(b *testing.B, handlers ...server.Handler) (*client, func()) {
	b.Helper()
	s := server.New(server.WithCodecs(codec.Proto()))
	if err := s.Register(handlers...); err != nil {
		b.Fatal(err)
	}
	near, far := memconn.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- s.ServeConn(far) }()
	c := newClient(near)
	return c, func() {
		c.conn.Close()
		<-ended
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkUnary is one unary call after another over memory, both ends.
func BenchmarkUnary(b *testing.B) {
	c, end := benchServer(b, server.Unary(unary, func(_ context.Context, req *text) (*text, error) { return req, nil }))
	defer end()
	req, res := &text{Value: "hello"}, new(text)
	b.ReportAllocs()
	for b.Loop() {
		if st := c.unary(unary.Name, req, res); st.Code != cqrpc.CodeOK {
			b.Fatal(st)
		}
	}
}

// BenchmarkUnaryParallel is the same from many goroutines.
func BenchmarkUnaryParallel(b *testing.B) {
	c, end := benchServer(b, server.Unary(unary, func(_ context.Context, req *text) (*text, error) { return req, nil }))
	defer end()
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		req, res := &text{Value: "hello"}, new(text)
		for pb.Next() {
			if st := c.unary(unary.Name, req, res); st.Code != cqrpc.CodeOK {
				b.Error(st)
				return
			}
		}
	})
}
