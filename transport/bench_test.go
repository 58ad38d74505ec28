package transport

import (
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// pair is two Conns on a loopback TCP connection.
func pair(b *testing.B, server, client Handler, cfg Config) (sc, cc *Conn) {
	b.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer lis.Close()
	near, err := net.Dial("tcp", lis.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	far, err := lis.Accept()
	if err != nil {
		b.Fatal(err)
	}
	var over sync.WaitGroup
	over.Add(2)
	sc, cc = New(Server, far, cfg, &timed{server, &over}), New(Client, near, cfg, &timed{client, &over})
	b.Cleanup(func() {
		cc.Close()
		sc.Close()
		over.Wait()
	})
	return sc, cc
}

// timed tells when its connection is over.
type timed struct {
	Handler
	over *sync.WaitGroup
}

func (t *timed) OnClosed(err error) {
	t.Handler.OnClosed(err)
	t.over.Done()
}

// quiet is a Handler that ignores everything.
type quiet struct{}

func (quiet) OnStream(*Stream, *frame.Headers, *cq.Lane) {}
func (quiet) OnReady()                                   {}
func (quiet) OnDrain(error)                              {}
func (quiet) OnClosed(error)                             {}

// echoer answers every request with its own DATA.
type echoer struct {
	quiet
	response, trailers *frame.HeaderList
}

func (e *echoer) OnStream(s *Stream, _ *frame.Headers, _ *cq.Lane) {
	s.Accept(&echo{echoer: e, s: s})
}

type echo struct {
	*echoer
	s    *Stream
	body *mem.Buffer
}

func (e *echo) OnHeaders(*frame.Headers, *cq.Lane) {}
func (e *echo) OnSent(frame.Sent, *cq.Lane)        {}

func (e *echo) OnClosed(*frame.CloseError, frame.Sent, *cq.Lane) {
	e.body.Free()
}

func (e *echo) OnData(b *mem.Buffer, end bool, _ *cq.Lane) {
	e.s.Consume(b.Len())
	e.body = b
	if !end {
		return
	}
	o := frame.Outgoing{Headers: e.response.Ref(), Trailers: e.trailers.Ref(), Message: e.body}
	o.Prefix = [frame.PrefixLen]byte(e.body.Bytes())
	e.body = nil
	o.Message.TrimFront(frame.PrefixLen)
	e.s.Send(o)
}

// caller keeps streams in flight: whenever one ends it opens the next.
type caller struct {
	conn    *Conn
	request *frame.HeaderList
	body    []byte

	mu sync.Mutex
	// guarded by mu
	left int // to be started
	open int
	done chan struct{}
}

func (c *caller) next() {
	c.mu.Lock()
	if c.left == 0 {
		c.mu.Unlock()
		return
	}
	c.left--
	c.open++
	c.mu.Unlock()
	x := &exchange{caller: c}
	s, err := c.conn.NewStream(x)
	if err != nil {
		panic(err)
	}
	x.s = s
	o := message(c.body)
	o.Headers, o.End = c.request.Ref(), true
	s.Send(o)
}

// exchange is one stream of a caller.
type exchange struct {
	*caller
	s *Stream
}

func (x *exchange) OnHeaders(*frame.Headers, *cq.Lane) {}
func (x *exchange) OnSent(frame.Sent, *cq.Lane)        {}

func (x *exchange) OnData(b *mem.Buffer, _ bool, _ *cq.Lane) {
	x.s.Consume(b.Len())
	b.Free()
}

func (x *exchange) OnClosed(err *frame.CloseError, _ frame.Sent, _ *cq.Lane) {
	if err != nil {
		panic(err)
	}
	x.next()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.open--; x.open == 0 && x.left == 0 {
		close(x.done)
	}
}

// BenchmarkEcho is raw streams on loopback TCP, 128 bytes each way, with some in
// flight: what write coalescing is worth. Both ends are in the figures.
func BenchmarkEcho(b *testing.B) {
	for _, n := range []int{1, 8, 64, 512} {
		b.Run(fmt.Sprintf("inflight=%d", n), func(b *testing.B) {
			_, cc := pair(b, &echoer{response: responseHeaders(), trailers: statusOK()}, quiet{}, Config{})
			c := &caller{conn: cc, request: requestHeaders(), body: make([]byte, 128), left: b.N, done: make(chan struct{})}
			c.open = 1 // until all of the first have been started
			b.ReportAllocs()
			b.ResetTimer()
			for range n {
				c.next()
			}
			c.mu.Lock()
			if c.open--; c.open == 0 && c.left == 0 {
				close(c.done)
			}
			c.mu.Unlock()
			<-c.done
		})
	}
}

// BenchmarkIdleStreams is what an open stream without traffic costs the
// transport, both ends together, less the receivers of the benchmark.
func BenchmarkIdleStreams(b *testing.B) {
	const streams = 2000
	for b.Loop() {
		sc, cc := pair(b, &keeper{}, quiet{}, Config{MaxConcurrentStreams: -1})
		waitStreams(b, cc, sc, 1)
		before, goroutines := heap(), runtime.NumGoroutine()
		waitStreams(b, cc, sc, 1+streams)
		b.ReportMetric(float64(heap()-before)/streams, "B/stream")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/streams, "goroutines/stream")
		runtime.KeepAlive(sc)
	}
}

// keeper accepts every request and does nothing.
type keeper struct{ quiet }

func (*keeper) OnStream(s *Stream, _ *frame.Headers, _ *cq.Lane) { s.Accept(Discard) }

// waitStreams opens streams until there are n at both ends.
func waitStreams(b *testing.B, cc, sc *Conn, n int) {
	b.Helper()
	for range n - cc.NumStreams() {
		s, err := cc.NewStream(Discard)
		if err != nil {
			b.Fatal(err)
		}
		s.Send(frame.Outgoing{Headers: requestHeaders()})
	}
	for deadline := time.Now().Add(10 * time.Second); sc.NumStreams() < n; runtime.Gosched() {
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d streams arrived", sc.NumStreams(), n)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkPlan is one turn of small responses, tables only.
func BenchmarkPlan(b *testing.B) {
	c := &Conn{side: Client, cfg: &NewSetup(Client, Config{}).cfg, state: open, flusher: flusherRunning, holders: 1}
	c.streams.init(Client, 1)
	c.in.init(c.cfg, c.streams.nextID)
	c.peer = defaultPeerSettings()
	request, body := requestHeaders(), mem.Get(100)
	var all []*Stream
	for range 64 {
		s := &Stream{conn: c}
		s.Send(frame.Outgoing{Headers: request.Ref()})
		all = append(all, s)
	}
	var t turn
	c.planLocked(&t)
	b.ReportAllocs()
	for b.Loop() {
		t.reset()
		c.out.window = 1 << 30
		for _, s := range all {
			s.sendWindow = 1 << 30
			s.Send(frame.Outgoing{Message: body.Ref()})
		}
		c.planLocked(&t)
		for i := range t.steps {
			t.steps[i].owner.Free()
		}
	}
}
