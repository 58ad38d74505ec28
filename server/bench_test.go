package server_test

import (
	"context"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
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

// BenchmarkPingPong is one message there and one back on a stream.
func BenchmarkPingPong(b *testing.B) {
	c, end := benchServer(b, server.BidiStream(bidi,
		func(_ context.Context, in *server.Receiver[text], out *server.Sender[text]) error {
			var m text
			for {
				if err := in.RecvInto(&m); err != nil {
					return nil
				}
				if err := out.Send(&m); err != nil {
					return err
				}
			}
		}))
	defer end()
	w := new(cq.Waiter)
	k := call.NewClient(nil, call.Config{Completer: w, Method: bidi.Name, Authority: "test"}, c)
	defer k.Close()
	m, ops := &text{Value: "hello"}, []call.Op{call.SendInitialMetadata(nil)}
	if err := k.StartBatch(ops, nil); err != nil {
		b.Fatal(err)
	}
	w.Wait(b.Context())
	b.ReportAllocs()
	for b.Loop() {
		ops = append(ops[:0], call.SendValue(m), call.RecvValue(m, nil))
		if err := k.StartBatch(ops, nil); err != nil {
			b.Fatal(err)
		}
		if ev, _ := w.Wait(b.Context()); !ev.OK {
			b.Fatal(ev.Err)
		}
	}
}

// BenchmarkServerStream is one response of a long sequence.
func BenchmarkServerStream(b *testing.B) {
	c, end := benchServer(b, server.ServerStream(serverStream,
		func(_ context.Context, req *text, out *server.Sender[text]) error {
			for {
				if err := out.Send(req); err != nil {
					return err
				}
			}
		}))
	defer end()
	w := new(cq.Waiter)
	k := call.NewClient(nil, call.Config{Completer: w, Method: serverStream.Name, Authority: "test"}, c)
	defer k.Close()
	m := &text{Value: "hello"}
	ops := []call.Op{call.SendInitialMetadata(nil), call.SendValue(m), call.SendClose(), call.RecvInitialMetadata(nil)}
	if err := k.StartBatch(ops, nil); err != nil {
		b.Fatal(err)
	}
	w.Wait(b.Context())
	b.ReportAllocs()
	for b.Loop() {
		ops = append(ops[:0], call.RecvValue(m, nil))
		if err := k.StartBatch(ops, nil); err != nil {
			b.Fatal(err)
		}
		if ev, _ := w.Wait(b.Context()); !ev.OK {
			b.Fatal(ev.Err)
		}
	}
}
