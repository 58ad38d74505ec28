package call

import (
	"context"
	"math"
	"testing"
	"unsafe"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// nullStream accepts everything and keeps nothing.
type nullStream struct{ sent frame.Sent }

func (s *nullStream) Send(o frame.Outgoing) {
	s.sent.Headers = s.sent.Headers || o.Headers != nil
	if o.Message != nil {
		s.sent.Messages++
	}
	s.sent.End = s.sent.End || o.End
	o.Headers.Free()
	o.Message.Free()
	o.Trailers.Free()
}

func (s *nullStream) MaxHeaderList() uint32 { return math.MaxUint32 }
func (s *nullStream) Obstacle() error       { return nil }
func (s *nullStream) Source() cq.Source     { return nil }
func (s *nullStream) Consume(int)           {}
func (s *nullStream) Reset(frame.ErrCode)   {}
func (s *nullStream) Excuse()               {}

type nullOpener struct{ s *nullStream }

func (o *nullOpener) Open(c *Call)    { c.Bind(o.s, &Peer{}) }
func (o *nullOpener) Forget(*Call)    {}
func (o *nullOpener) Rest(*Call)      {}
func (o *nullOpener) Obstacle() error { return nil }

var responseHeaders = frame.Headers{Fields: []frame.Field{
	{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"},
	{Name: "grpc-accept-encoding", Value: "identity,gzip"},
}}

var responseTrailers = frame.Headers{End: true, Fields: []frame.Field{{Name: "grpc-status", Value: "0"}}}

// A unary call on a stream that costs nothing: what the engine itself takes.
func BenchmarkUnaryClient(b *testing.B) {
	cfg := Config{Method: "/pkg.Service/Method", Authority: "host",
		Settings: NewSettings(Settings{Codec: codec.Bytes()})}
	payload := make([]byte, 128)
	packed := []byte(wire(string(payload)))
	var (
		w    cq.Waiter
		lane cq.Lane
		s    nullStream
		st   cqrpc.Status
		out  []byte
		ops  [6]Op
	)
	o := &nullOpener{&s}
	b.ReportAllocs()
	for b.Loop() {
		s = nullStream{}
		c := NewClient(nil, cfg, o)
		ops = [6]Op{
			SendInitialMetadata(nil), SendValue(&payload), SendClose(),
			RecvInitialMetadata(nil), RecvValue(&out, nil), RecvStatus(&st, nil),
		}
		if err := c.StartBatchOn(&w, ops[:], &w); err != nil {
			b.Fatal(err)
		}
		view := c.Receiver()
		view.OnSent(s.sent, &lane)
		view.OnHeaders(&responseHeaders, &lane)
		view.OnData(mem.Copy(packed), false, &lane)
		view.OnHeaders(&responseTrailers, &lane)
		view.OnClosed(nil, s.sent, &lane)
		lane.Flush()
		if ev, _ := w.Wait(context.Background()); !ev.OK || len(out) != len(payload) {
			b.Fatal(ev)
		}
	}
}

// One message each way on a stream that goes on.
func BenchmarkStreamMessage(b *testing.B) {
	payload := make([]byte, 128)
	packed := []byte(wire(string(payload)))
	var (
		w    cq.Waiter
		lane cq.Lane
		s    nullStream
		out  []byte
	)
	c, err := NewServer(nil, Config{Settings: NewSettings(Settings{Codec: codec.Bytes()})}, &s,
		&frame.Headers{Fields: requestFields()}, &Peer{})
	if err != nil {
		b.Fatal(err)
	}
	view := c.Receiver()
	b.ReportAllocs()
	ops := []Op{SendInitialMetadata(nil), SendValue(&payload), RecvValue(&out, nil)}
	for b.Loop() {
		if err := c.StartBatchOn(&w, ops, &w); err != nil {
			b.Fatal(err)
		}
		view.OnSent(s.sent, &lane)
		view.OnData(mem.Copy(packed), false, &lane)
		lane.Flush()
		if ev, _ := w.Wait(context.Background()); !ev.OK {
			b.Fatal(ev)
		}
		ops = ops[len(ops)-2:]
	}
}

// An idle stream is mostly its call: keep it below a kilobyte.
func TestCallSize(t *testing.T) {
	if size := unsafe.Sizeof(Call{}); size > 1024 {
		t.Errorf("a Call has %d bytes", size)
	} else {
		t.Logf("a Call has %d bytes, a batch %d, an Op %d", size, unsafe.Sizeof(batch{}), unsafe.Sizeof(Op{}))
	}
}
