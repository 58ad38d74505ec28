package async_test

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
	"github.com/cqrpc/cqrpc/transport"
)

// BenchmarkIdleStream is what a bidi call that waits for a message costs the
// server: bytes in all, context, responder and the outstanding Read included,
// and no goroutine.
func BenchmarkIdleStream(b *testing.B) {
	s, q := server.New(server.WithTransport(transport.Config{MaxConcurrentStreams: 1 << 20})), cq.New()
	m, err := async.RegisterBidiStream(s, bidi)
	must(b, err)
	must(b, s.AddQueue(q))
	near, far := memconn.Pipe()
	served := make(chan error, 1)
	go func() { served <- s.ServeConn(far) }()
	drained := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, near)
		close(drained)
	}()
	w := newOpener(b, near)
	type record struct {
		ctx async.Context
		rw  async.ReaderWriter[text, text]
		m   text
	}
	open := func() *record {
		r := new(record)
		must(b, m.Request(&r.ctx, &r.rw, q, q, r))
		w.open()
		if ev := q.Next(b.Context()); ev.Tag != any(r) || !ev.OK {
			b.Fatalf("got %+v", ev)
		}
		must(b, r.rw.Read(&r.m, r))
		return r
	}
	records := make([]*record, 0, b.N+1)
	records = append(records, open()) // makes what is made once
	before, goroutines := inUse(), runtime.NumGoroutine()
	for range b.N {
		records = append(records, open())
	}
	b.ReportMetric(float64(inUse()-before)/float64(b.N), "B/stream")
	if n := runtime.NumGoroutine() - goroutines; n > 0 {
		b.Errorf("%d goroutines more", n)
	}
	runtime.KeepAlive(records)
	near.Close()
	<-drained
	<-served
	for _, r := range records {
		_ = r.rw.Finish(ok, r)
	}
	s.Close()
	must(b, q.Close(b.Context()))
}

func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// opener opens streams and keeps nothing of them.
type opener struct {
	b      *testing.B
	framer *http2.Framer
	block  bytes.Buffer
	hpack  *hpack.Encoder
	id     uint32
}

func newOpener(b *testing.B, w io.Writer) *opener {
	o := &opener{b: b, framer: http2.NewFramer(w, nil), id: 1}
	o.hpack = hpack.NewEncoder(&o.block)
	_, err := io.WriteString(w, http2.ClientPreface)
	must(b, err)
	must(b, o.framer.WriteSettings())
	return o
}

func (o *opener) open() {
	o.block.Reset()
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: bidi.Name},
		{Name: ":authority", Value: "test"}, {Name: "te", Value: "trailers"},
		{Name: "content-type", Value: "application/grpc"},
	} {
		must(o.b, o.hpack.WriteField(f))
	}
	must(o.b, o.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: o.id, BlockFragment: o.block.Bytes(), EndHeaders: true,
	}))
	o.id += 2
}
