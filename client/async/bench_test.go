package async_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/async"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	serverasync "github.com/cqrpc/cqrpc/server/async"
)

// The benchmarks compare the style with the batches it stands on: "batch" is
// the same calls without client/async and server/async. Both ends are measured
// together, each with one poller, over memory.

// inFlight is how many unary calls are under way at once.
const inFlight = 64

// theater is a channel to a server whose queue one goroutine polls.
func theater(b *testing.B, register func(s *server.Server, q *cq.Queue) error) *client.Channel {
	b.Helper()
	s, q, lis := server.New(), cq.New(), memconn.Listen()
	must(b, errors.Join(s.AddQueue(q), register(s, q)))
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	wait := cq.Poll([]*cq.Queue{q}, 1, cq.Proceed)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return lis.Dial(ctx) }
	ch, err := client.NewChannel("passthrough:///bench", client.WithInsecure(), client.WithDialer(dial))
	must(b, err)
	must(b, ch.AwaitReady(b.Context()))
	b.Cleanup(func() {
		ch.Close()
		s.Close()
		<-served
		wait()
	})
	return ch
}

// rawUnary is one unary call on the server by batches.
type rawUnary struct {
	server *server.Server
	method *server.Method
	q      *cq.Queue
	req    text
	slot   server.IncomingCall
	isDone bool
}

func (c *rawUnary) ask() error {
	c.slot = server.IncomingCall{Value: &c.req}
	return c.server.RequestRegisteredCall(c.method, &c.slot, c.q, c.q, c)
}

// Proceed implements cq.Proceeder.
func (c *rawUnary) Proceed(ok bool) {
	if c.isDone || !ok {
		return
	}
	c.isDone = true
	next := &rawUnary{server: c.server, method: c.method, q: c.q}
	_ = next.ask()
	ops := [3]call.Op{call.SendInitialMetadata(nil), call.SendValue(&c.req), call.SendStatus(cqrpc.Status{}, nil)}
	_ = c.slot.Call.StartBatch(ops[:], c)
}

// typedUnary is the same in the style.
type typedUnary struct {
	method *serverasync.UnaryMethod[text, text]
	q      *cq.Queue
	req    text
	ctx    serverasync.Context
	w      serverasync.ResponseWriter[text]
	isDone bool
}

func (c *typedUnary) ask() error { return c.method.Request(&c.ctx, &c.req, &c.w, c.q, c.q, c) }

// Proceed implements cq.Proceeder.
func (c *typedUnary) Proceed(ok bool) {
	if c.isDone || !ok {
		return
	}
	c.isDone = true
	next := &typedUnary{method: c.method, q: c.q}
	_ = next.ask()
	_ = c.w.Finish(&c.req, cqrpc.Status{}, c)
}

func BenchmarkUnary(b *testing.B) {
	b.Run("batch", func(b *testing.B) {
		ch := theater(b, func(s *server.Server, q *cq.Queue) error {
			m, err := s.RegisterMethod(unary.Name, server.PayloadOnly)
			for range inFlight {
				err = errors.Join(err, (&rawUnary{server: s, method: m, q: q}).ask())
			}
			return err
		})
		benchUnary(b, func(q *cq.Queue, req, res *text, st *cqrpc.Status) error {
			ops := [6]call.Op{
				call.SendInitialMetadata(nil), call.SendValue(req), call.SendClose(),
				call.RecvInitialMetadata(nil), call.RecvValue(res, nil), call.RecvStatus(st, nil),
			}
			return ch.NewCall(q, unary.Name).StartBatch(ops[:], st)
		})
	})
	b.Run("style", func(b *testing.B) {
		ch := theater(b, func(s *server.Server, q *cq.Queue) error {
			m, err := serverasync.RegisterUnary(s, unary)
			for range inFlight {
				err = errors.Join(err, (&typedUnary{method: m, q: q}).ask())
			}
			return err
		})
		benchUnary(b, func(q *cq.Queue, req, res *text, st *cqrpc.Status) error {
			return async.Unary(context.Background(), ch, unary, req, q).Finish(res, st, st)
		})
	})
}

func benchUnary(b *testing.B, start func(q *cq.Queue, req, res *text, st *cqrpc.Status) error) {
	q, req := cq.New(), &text{Value: "hello"}
	var res [inFlight]text
	var status [inFlight]cqrpc.Status
	for i := range status {
		must(b, start(q, req, &res[i], &status[i]))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ { // they come back in order
		ev := q.Next(b.Context())
		st := ev.Tag.(*cqrpc.Status)
		if st.Code != cqrpc.CodeOK {
			b.Fatal(st)
		}
		must(b, start(q, req, &res[i%inFlight], st))
	}
	for range inFlight {
		q.Next(b.Context())
	}
}

// rawEcho is a bidi call on the server by batches, ping and pong.
type rawEcho struct {
	m       text
	slot    server.IncomingCall
	isBound bool
	reads   bool
}

// Proceed implements cq.Proceeder.
func (e *rawEcho) Proceed(ok bool) {
	var ops [2]call.Op
	switch batch := ops[:0]; {
	case !ok:
		if e.isBound {
			_ = e.slot.Call.StartBatchOn(cq.Discard, append(batch, call.SendStatus(cqrpc.Status{}, nil)), nil)
		}
	case e.reads:
		e.reads = false
		_ = e.slot.Call.StartBatch(append(batch, call.SendValue(&e.m)), e)
	default:
		if !e.isBound {
			e.isBound = true
			_ = e.slot.Call.StartBatchOn(cq.Discard, append(batch, call.SendInitialMetadata(nil)), nil)
			batch = ops[:0]
		}
		e.reads = true
		_ = e.slot.Call.StartBatch(append(batch, call.RecvNext(&e.m)), e)
	}
}

// typedEcho is the same in the style.
type typedEcho struct {
	m       text
	ctx     serverasync.Context
	rw      serverasync.ReaderWriter[text, text]
	isBound bool
	reads   bool
}

// Proceed implements cq.Proceeder.
func (e *typedEcho) Proceed(ok bool) {
	switch {
	case !ok:
		if e.isBound {
			e.isBound = false
			_ = e.rw.Finish(cqrpc.Status{}, e)
		}
	case e.reads:
		e.reads = false
		_ = e.rw.Write(&e.m, e)
	default:
		e.isBound, e.reads = true, true
		_ = e.rw.Read(&e.m, e)
	}
}

func BenchmarkPingPong(b *testing.B) {
	b.Run("batch", func(b *testing.B) {
		e := new(rawEcho)
		ch := theater(b, func(s *server.Server, q *cq.Queue) error {
			m, err := s.RegisterMethod(bidi.Name, server.PayloadNone)
			return errors.Join(err, s.RequestRegisteredCall(m, &e.slot, q, q, e))
		})
		q := cq.New()
		k, m := ch.NewCall(q, bidi.Name), new(text)
		var ops [1]call.Op
		start := func(op call.Op) error {
			ops[0] = op
			return k.StartBatch(ops[:], nil)
		}
		must(b, start(call.SendInitialMetadata(nil)))
		q.Next(b.Context())
		benchPingPong(b, q, func() error { return start(call.SendValue(m)) }, func() error { return start(call.RecvNext(m)) })
		k.Close()
	})
	b.Run("style", func(b *testing.B) {
		e := new(typedEcho)
		ch := theater(b, func(s *server.Server, q *cq.Queue) error {
			m, err := serverasync.RegisterBidiStream(s, bidi)
			return errors.Join(err, m.Request(&e.ctx, &e.rw, q, q, e))
		})
		q, m := cq.New(), new(text)
		rw, err := async.BidiStream(context.Background(), ch, bidi, q, nil)
		must(b, err)
		q.Next(b.Context())
		benchPingPong(b, q, func() error { return rw.Write(m, nil) }, func() error { return rw.Read(m, nil) })
		rw.TryCancel()
	})
}

func benchPingPong(b *testing.B, q *cq.Queue, ping, pong func() error) {
	b.ReportAllocs()
	for b.Loop() {
		must(b, ping())
		must(b, pong())
		if ev := q.Next(b.Context()); !ev.OK {
			b.Fatal(ev.Err)
		}
		if ev := q.Next(b.Context()); !ev.OK {
			b.Fatal(ev.Err)
		}
	}
}
