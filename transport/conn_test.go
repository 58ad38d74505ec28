package transport

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

type testHandler struct {
	onStream func(s *Stream, h *frame.Headers, lane *cq.Lane)
	ready    chan struct{}
	closed   chan error
	drained  chan error
}

func newTestHandler() *testHandler {
	return &testHandler{ready: make(chan struct{}), closed: make(chan error, 1), drained: make(chan error, 1)}
}
func (h *testHandler) OnStream(s *Stream, hd *frame.Headers, lane *cq.Lane) {
	if h.onStream != nil {
		h.onStream(s, hd, lane)
	}
}
func (h *testHandler) OnReady()           { close(h.ready) }
func (h *testHandler) OnDrain(err error)  { h.drained <- err }
func (h *testHandler) OnClosed(err error) { h.closed <- err }

type testReceiver struct {
	mu     sync.Mutex
	s      *Stream
	asm    frame.Assembler
	onMsg  func(b *mem.Buffer)
	onEnd  func()
	sent   frame.Sent
	closed chan *frame.CloseError
	hdrs   []string
}

func (r *testReceiver) OnHeaders(h *frame.Headers, _ *cq.Lane) {
	r.mu.Lock()
	r.hdrs = append(r.hdrs, fmt.Sprint(h.Fields))
	r.mu.Unlock()
}
func (r *testReceiver) OnData(b *mem.Buffer, end bool, _ *cq.Lane) {
	if b != nil {
		r.s.Consume(b.Len())
		if err := r.asm.Push(b, -1); err != nil {
			panic(err)
		}
		for m, ok := r.asm.Pop(); ok; m, ok = r.asm.Pop() {
			r.onMsg(m.Body)
		}
	}
	if end && r.onEnd != nil {
		r.onEnd()
	}
}
func (r *testReceiver) OnSent(s frame.Sent, _ *cq.Lane) { r.mu.Lock(); r.sent = s; r.mu.Unlock() }
func (r *testReceiver) OnClosed(err *frame.CloseError, s frame.Sent, _ *cq.Lane) {
	r.closed <- err
}

func list(kv ...string) *frame.HeaderList {
	l := frame.NewHeaderList()
	for i := 0; i < len(kv); i += 2 {
		l.Add(kv[i], kv[i+1])
	}
	return l
}

func message(b []byte) frame.Outgoing {
	o := frame.Outgoing{Message: mem.Copy(b)}
	frame.PutPrefix(&o.Prefix, false, len(b))
	return o
}

func TestPairEcho(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	sh := newTestHandler()
	sh.onStream = func(s *Stream, h *frame.Headers, _ *cq.Lane) {
		r := &testReceiver{s: s, closed: make(chan *frame.CloseError, 1)}
		s.Accept(r)
		var body []byte
		r.onMsg = func(b *mem.Buffer) { body = append([]byte(nil), b.Bytes()...); b.Free() }
		r.onEnd = func() {
			o := message(body)
			o.Headers = list(":status", "200", "content-type", "application/grpc")
			o.Trailers = list("grpc-status", "0")
			s.Send(o)
		}
	}
	var sc *Conn
	accepted := make(chan struct{})
	go func() {
		nc, _ := lis.Accept()
		sc = New(Server, nc, Config{}, sh)
		close(accepted)
	}()
	nc, err := net.Dial("tcp", lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ch := newTestHandler()
	cc := New(Client, nc, Config{}, ch)
	<-accepted
	<-ch.ready
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Add(1)
		size := i * 997
		r := &testReceiver{closed: make(chan *frame.CloseError, 1)}
		got := -1
		r.onMsg = func(b *mem.Buffer) { got = b.Len(); b.Free() }
		s, err := cc.NewStream(r)
		if err != nil {
			t.Fatal(err)
		}
		r.s = s
		o := message(make([]byte, size))
		o.Headers = list(":method", "POST", ":scheme", "http", ":path", "/x", ":authority", "a", "te", "trailers")
		o.End = true
		s.Send(o)
		go func() {
			defer wg.Done()
			if err := <-r.closed; err != nil || got != size {
				t.Errorf("call %d: err %v, got %d want %d, hdrs %v", i, err, got, size, r.hdrs)
			}
		}()
	}
	wg.Wait()
	t.Log(cc, sc)
	sc.Drain()
	if err := <-ch.drained; err == nil {
		t.Error("no drain cause")
	}
	if err := <-ch.closed; err != nil {
		t.Error("client closed:", err)
	}
	if err := <-sh.closed; err != nil {
		t.Error("server closed:", err)
	}
}
