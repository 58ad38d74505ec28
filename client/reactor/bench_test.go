package reactor_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/reactor"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	serverreactor "github.com/cqrpc/cqrpc/server/reactor"
)

// connect is a channel to a server over memory.
func connect(tb testing.TB, s *server.Server) *client.Channel {
	tb.Helper()
	lis := memconn.Listen()
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return lis.Dial(ctx) }
	ch, err := client.NewChannel("passthrough:///mem", client.WithInsecure(), client.WithDialer(dial))
	if err != nil {
		tb.Fatal(err)
	}
	if err := ch.AwaitReady(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := errors.Join(ch.Close(), s.Close()); err != nil {
			tb.Error(err)
		}
		<-served
	})
	return ch
}

// styles are the ways to spell client and server that the benchmarks compare.
// "batches" is what the reactors are made of, with one poller for each queue.
var styles = []struct {
	name  string
	here  []reactor.Option
	there []serverreactor.Option
}{
	{name: "batches"},
	{name: "pool"},
	{"inline", []reactor.Option{reactor.Inline()}, []serverreactor.Option{serverreactor.Inline()}},
}

func serverOf(tb testing.TB, handlers ...server.Handler) *server.Server {
	tb.Helper()
	s := server.New()
	if err := s.Register(handlers...); err != nil {
		tb.Fatal(err)
	}
	return s
}

// poll runs the callbacks that are the tags of a queue, until it is shut down.
func poll(b *testing.B, q *cq.Queue) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev := range q.Events(context.Background()) {
			ev.Tag.(func(cq.Event))(ev)
		}
	}()
	b.Cleanup(func() {
		q.Shutdown()
		<-done
	})
}

// batchServer serves unary and bidi by batches alone.
func batchServer(b *testing.B) *server.Server {
	q := cq.New()
	poll(b, q)
	return serverOf(b,
		server.NewHandler(unary.Name, call.Unary, func(a server.Accepted) {
			c := &batchUnary{a: a}
			c.must(a.Call.StartBatchOn(q, []call.Op{call.RecvValue(&c.req, nil)}, c.answer))
			c.must(a.Call.StartBatchOn(cq.Discard, []call.Op{call.RecvClose(nil)}, nil))
		}),
		server.NewHandler(bidi.Name, call.BidiStream, func(a server.Accepted) {
			c := &batchBidi{a: a, q: q}
			c.onRead, c.onWrite = c.write, c.read
			c.must(a.Call.StartBatchOn(cq.Discard, []call.Op{call.RecvClose(nil), call.SendInitialMetadata(nil)}, nil))
			c.read(cq.Event{OK: true})
		}))
}

type batchUnary struct {
	a   server.Accepted
	req text
}

func (*batchUnary) must(err error) {
	if err != nil {
		panic(err)
	}
}

func (c *batchUnary) answer(cq.Event) {
	c.a.Release()
	defer c.a.Done()
	c.must(c.a.Call.StartBatchOn(cq.Discard, []call.Op{
		call.SendInitialMetadata(nil), call.SendValue(&c.req), call.SendStatus(cqrpc.Status{}, nil),
	}, nil))
	c.a.Done()
}

type batchBidi struct {
	batchUnary
	a               server.Accepted
	q               *cq.Queue
	onRead, onWrite func(cq.Event)
}

func (c *batchBidi) read(ev cq.Event) {
	if ev.OK {
		c.must(c.a.Call.StartBatchOn(c.q, []call.Op{call.RecvNext(&c.req)}, c.onRead))
		return
	}
	c.finish()
}

func (c *batchBidi) write(ev cq.Event) {
	if ev.OK {
		c.must(c.a.Call.StartBatchOn(c.q, []call.Op{call.SendValue(&c.req)}, c.onWrite))
		return
	}
	c.finish()
}

func (c *batchBidi) finish() {
	c.a.Release()
	defer c.a.Done()
	c.must(c.a.Call.StartBatchOn(cq.Discard, []call.Op{call.SendStatus(cqrpc.Status{}, nil)}, nil))
	c.a.Done()
}

// BenchmarkUnary keeps some calls in flight, each started by the end of another.
func BenchmarkUnary(b *testing.B) {
	for _, inFlight := range []int{1, 64} {
		for _, style := range styles {
			name := map[int]string{1: "1/", 64: "64/"}[inFlight] + style.name
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				if style.name == "batches" {
					benchBatches(b, connect(b, batchServer(b)), inFlight)
					return
				}
				ch := connect(b, serverOf(b, echoUnary(style.there...)))
				benchReactors(b, reactor.New(ch, style.here...), inFlight)
			})
		}
	}
}

// countdown says when a benchmark has started all its calls, and ended them.
type countdown struct {
	left, open atomic.Int64
	done       chan struct{}
}

func newCountdown(n, inFlight int) *countdown {
	c := &countdown{done: make(chan struct{})}
	c.left.Store(int64(n))
	c.open.Store(int64(inFlight))
	return c
}

// next reports whether there is another call to start in place of one.
func (c *countdown) next() bool {
	if c.left.Add(-1) >= 0 {
		return true
	}
	if c.open.Add(-1) == 0 {
		close(c.done)
	}
	return false
}

func benchReactors(b *testing.B, s *reactor.Stub, inFlight int) {
	count := newCountdown(b.N, inFlight)
	for range inFlight {
		req, res := wrapperspb.String("hello"), new(text)
		var next func(st cqrpc.Status)
		next = func(st cqrpc.Status) {
			if st.Code != cqrpc.CodeOK {
				b.Error(st)
			}
			if count.next() {
				reactor.Unary(b.Context(), s, unary, req, res, next)
			}
		}
		next(ok)
	}
	<-count.done
}

func benchBatches(b *testing.B, ch *client.Channel, inFlight int) {
	q := cq.New()
	poll(b, q)
	count := newCountdown(b.N, inFlight)
	type slot struct {
		st  cqrpc.Status
		res text
	}
	for range inFlight {
		req := wrapperspb.String("hello")
		s := new(slot)
		var next func(cq.Event)
		next = func(cq.Event) {
			if s.st.Code != cqrpc.CodeOK {
				b.Error(s.st)
			}
			if !count.next() {
				return
			}
			var p client.Prepared
			ch.Prepare(b.Context(), &p, q, unary.Name, true)
			err := p.Call.StartBatch([]call.Op{
				call.SendInitialMetadata(nil), call.SendValue(req), call.SendClose(),
				call.RecvValue(&s.res, nil), call.RecvStatus(&s.st, nil),
			}, next)
			if err != nil {
				b.Error(err)
			}
		}
		next(cq.Event{})
	}
	<-count.done
}

// pinger is a bidi reactor with one message on its way there or back.
type pinger struct {
	reactor.BidiBase[text, text]
	count    *countdown
	req, res text
}

func (p *pinger) OnWriteDone(bool) { p.StartRead(&p.res) }

func (p *pinger) OnReadDone(ok bool) {
	if ok && p.count.next() {
		p.StartWrite(&p.req)
	}
}

// BenchmarkPingPong is one message there and one back on each of some streams.
func BenchmarkPingPong(b *testing.B) {
	for _, streams := range []int{1, 64} {
		for _, style := range styles {
			name := map[int]string{1: "1/", 64: "64/"}[streams] + style.name
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				if style.name == "batches" {
					pingBatches(b, connect(b, batchServer(b)), streams)
					return
				}
				ch := connect(b, serverOf(b, echoBidi(style.there...)))
				stub := reactor.New(ch, style.here...)
				count := newCountdown(b.N, streams)
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				for range streams {
					p := &pinger{count: count}
					p.req.Value = "hello"
					reactor.BidiStream(ctx, stub, bidi, p)
					if count.next() {
						p.StartWrite(&p.req)
					}
					p.StartCall()
				}
				<-count.done
			})
		}
	}
}

func pingBatches(b *testing.B, ch *client.Channel, streams int) {
	q := cq.New()
	poll(b, q)
	count := newCountdown(b.N, streams)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for range streams {
		var p client.Prepared
		ch.Prepare(ctx, &p, q, bidi.Name, false)
		k := p.Call
		start := func(op call.Op, tag func(cq.Event)) {
			if err := k.StartBatch([]call.Op{op}, tag); err != nil {
				b.Error(err)
			}
		}
		start(call.SendInitialMetadata(nil), func(cq.Event) {})
		start(call.RecvStatus(nil, nil), func(cq.Event) {})
		req, res := wrapperspb.String("hello"), new(text)
		var onRead, onWrite func(ev cq.Event)
		onWrite = func(cq.Event) { start(call.RecvNext(res), onRead) }
		onRead = func(ev cq.Event) {
			if ev.OK && count.next() {
				start(call.SendValue(req), onWrite)
			}
		}
		onRead(cq.Event{OK: true})
	}
	<-count.done
}
