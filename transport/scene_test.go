package transport

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/mem"
	"github.com/cqrpc/cqrpc/internal/memconn"
)

// scene is one Conn in a bubble with a scripted peer at the other end.
type scene struct {
	*testing.T
	conn      *Conn
	peer      *h2peer.Peer
	near, far *memconn.Conn // the Conn's and the peer's end of the wire
	handler   *watcher
}

// play runs script in a bubble. However the script leaves the connection, it
// must then end: no goroutine, no buffer, and exactly one OnClosed.
func play(t *testing.T, side Side, cfg Config, script func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		leak.Check(t)
		leak.Buffers(t)
		client, server := memconn.Pipe()
		s := &scene{T: t, handler: &watcher{}, near: client, far: server}
		peerSide := h2peer.Server
		if side == Server {
			s.near, s.far, peerSide = server, client, h2peer.Client
		}
		s.handler.t = t
		s.peer = h2peer.New(t, s.far, peerSide)
		s.conn = New(side, s.near, cfg, s.handler)
		t.Cleanup(s.end)
		script(s)
	})
}

func (s *scene) end() {
	s.conn.Close()
	time.Sleep(time.Minute) // past LingerTimeout; fake clock
	synctest.Wait()
	s.handler.mu.Lock()
	defer s.handler.mu.Unlock()
	if n := len(s.handler.closed); n != 1 {
		s.Errorf("Handler.OnClosed came %d times: %v", n, s.handler.closed)
	}
	for _, p := range s.handler.probes {
		p.check()
	}
}

// greeted is play with the opening exchange done and the clutter of credit ignored.
func greeted(t *testing.T, side Side, cfg Config, script func(s *scene), settings ...http2.Setting) {
	t.Helper()
	play(t, side, cfg, func(s *scene) {
		s.peer.Greet(settings...)
		s.peer.Ignore(http2.FrameWindowUpdate)
		script(s)
	})
}

// wantDead wants GOAWAY with code and then the end.
func (s *scene) wantDead(why string, code http2.ErrCode) {
	s.Helper()
	s.peer.WantGoAway(why, code)
	s.peer.WantClosed(why)
}

// wantAlive wants the connection to answer, and nothing else.
func (s *scene) wantAlive(why string) {
	s.Helper()
	s.peer.WritePing(false, [8]byte{'a', 'l', 'i', 'v', 'e'})
	s.peer.WantPingAck(why, [8]byte{'a', 'l', 'i', 'v', 'e'})
	s.peer.WantIdle(why)
}

// open makes a client stream and sends its headers, and whatever o holds besides.
func (s *scene) open(o frame.Outgoing) *probe {
	s.Helper()
	p := s.unopened()
	o.Headers = requestHeaders()
	p.stream.Send(o)
	synctest.Wait()
	return p
}

func (s *scene) unopened() *probe {
	s.Helper()
	p := s.handler.probe(nil)
	st, err := s.conn.NewStream(p)
	if err != nil {
		s.Fatal("NewStream:", err)
	}
	p.stream = st
	return p
}

// served returns what received the request with that stream identifier.
func (s *scene) served(id uint32) *probe {
	s.Helper()
	synctest.Wait()
	s.handler.mu.Lock()
	defer s.handler.mu.Unlock()
	for _, p := range s.handler.probes {
		if p.stream.ID() == id {
			return p
		}
	}
	s.Fatalf("request %d was not served", id)
	return nil
}

func (s *scene) wantServed(why string, n int) {
	s.Helper()
	synctest.Wait()
	s.handler.mu.Lock()
	defer s.handler.mu.Unlock()
	if got := len(s.handler.probes); got != n {
		s.Fatalf("%s: %d requests were served; want %d", why, got, n)
	}
}

func requestHeaders() *frame.HeaderList {
	return list(":method", "POST", ":scheme", "http", ":path", "/s/m", ":authority", "a", "te", "trailers",
		"content-type", "application/grpc")
}

func responseHeaders() *frame.HeaderList {
	return list(":status", "200", "content-type", "application/grpc")
}

func statusOK() *frame.HeaderList { return list("grpc-status", "0") }

// watcher is a Handler that takes every request and remembers everything.
type watcher struct {
	t        *testing.T
	decline  bool         // take no request
	hold     bool         // probes return no credit
	arriving func()       // runs inside OnStream, before Accept
	onStream func(*probe) // runs there, after Accept

	mu sync.Mutex
	// guarded by mu
	probes  []*probe
	ready   int
	drained []error
	closed  []error
}

func (w *watcher) probe(s *Stream) *probe {
	p := &probe{t: w.t, stream: s, hold: w.hold}
	w.mu.Lock()
	w.probes = append(w.probes, p)
	w.mu.Unlock()
	return p
}

func (w *watcher) OnStream(s *Stream, h *frame.Headers, _ *cq.Lane) {
	if w.decline {
		return
	}
	if w.arriving != nil {
		w.arriving()
	}
	p := w.probe(s)
	p.blocks = append(p.blocks, slices.Clone(h.Fields))
	s.Accept(p)
	if w.onStream != nil {
		w.onStream(p)
	}
}

func (w *watcher) OnReady() { w.mu.Lock(); w.ready++; w.mu.Unlock() }

func (w *watcher) OnDrain(err error) {
	w.mu.Lock()
	w.drained = append(w.drained, err)
	w.mu.Unlock()
}

func (w *watcher) OnClosed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = append(w.closed, err)
	for _, p := range w.probes {
		p.connOver()
	}
}

func (s *scene) wait() { synctest.Wait() }

// ended returns what OnClosed said, which comes after lingering at the latest.
func (s *scene) ended() error {
	s.Helper()
	synctest.Wait()
	time.Sleep(s.conn.cfg.LingerTimeout) // fake clock
	synctest.Wait()
	s.handler.mu.Lock()
	defer s.handler.mu.Unlock()
	if len(s.handler.closed) == 0 {
		s.Fatal("the connection has not ended")
	}
	return s.handler.closed[0]
}

func (s *scene) isOver() bool {
	synctest.Wait()
	s.handler.mu.Lock()
	defer s.handler.mu.Unlock()
	return len(s.handler.closed) > 0
}

func (s *scene) drains() int {
	synctest.Wait()
	s.handler.mu.Lock()
	defer s.handler.mu.Unlock()
	return len(s.handler.drained)
}

// probe is a Receiver that remembers everything and checks the order in which
// it is told.
type probe struct {
	t      *testing.T
	stream *Stream
	hold   bool // return no credit

	mu sync.Mutex
	// guarded by mu
	blocks [][]frame.Field
	data   []byte
	chunks int
	ended  bool
	sent   frame.Sent
	closed []*frame.CloseError
	over   bool // Handler.OnClosed came
	faults []string
}

func (p *probe) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

func (p *probe) OnHeaders(h *frame.Headers, _ *cq.Lane) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told("OnHeaders")
	p.blocks = append(p.blocks, slices.Clone(h.Fields))
	p.ended = p.ended || h.End
}

func (p *probe) OnData(b *mem.Buffer, end bool, _ *cq.Lane) {
	if b != nil {
		defer b.Free()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told("OnData")
	p.ended = p.ended || end
	if b == nil {
		return
	}
	p.chunks++
	p.data = append(p.data, b.Bytes()...)
	if !p.hold {
		p.stream.Consume(b.Len())
	}
}

// told notes that something came which must not follow the end.
func (p *probe) told(what string) {
	if len(p.closed) > 0 || p.ended || p.over {
		p.fault("%s after the end", what)
	}
}

func (p *probe) OnSent(s frame.Sent, _ *cq.Lane) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(s)
}

func (p *probe) count(s frame.Sent) {
	switch {
	case len(p.closed) > 0:
		if isMore(s, p.sent) {
			p.fault("OnSent brought %+v after OnClosed with %+v", s, p.sent)
		}
	case isMore(p.sent, s):
		p.fault("Sent went from %+v to %+v", p.sent, s)
	default:
		p.sent = s
	}
}

// isMore reports whether a tells of anything that b does not.
func isMore(a, b frame.Sent) bool {
	return a.Headers && !b.Headers || a.Messages > b.Messages || a.Bytes > b.Bytes || a.End && !b.End
}

func (p *probe) OnClosed(err *frame.CloseError, s frame.Sent, _ *cq.Lane) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(s)
	p.closed = append(p.closed, err)
	if p.over {
		p.fault("Receiver.OnClosed after Handler.OnClosed")
	}
}

func (p *probe) connOver() { p.mu.Lock(); p.over = true; p.mu.Unlock() }

// check complains about what must never happen to any stream.
func (p *probe) check() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.closed) > 1 {
		p.fault("OnClosed came %d times", len(p.closed))
	}
	for _, f := range p.faults {
		p.t.Error(f)
	}
}

// close is what OnClosed said; absent if it has not come.
func (p *probe) close() (err *frame.CloseError, came bool) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.closed) == 0 {
		return nil, false
	}
	return p.closed[0], true
}

func (p *probe) wantOpen(why string) {
	p.t.Helper()
	if err, came := p.close(); came {
		p.t.Fatalf("%s: the stream ended with %v", why, err)
	}
}

func (p *probe) wantClean(why string) {
	p.t.Helper()
	if err, came := p.close(); !came || err != nil {
		p.t.Fatalf("%s: OnClosed came %v with %v; want it clean", why, came, err)
	}
}

// wantClosed wants an unclean end of that kind.
func (p *probe) wantClosed(why string, kind frame.CloseKind, code frame.ErrCode) *frame.CloseError {
	p.t.Helper()
	err, came := p.close()
	if !came || err == nil || err.Kind != kind || err.Code != code {
		p.t.Fatalf("%s: OnClosed came %v with %+v; want %v with %v", why, came, err, kind, code)
	}
	return err
}

func (p *probe) wantSent(why string, want frame.Sent) {
	p.t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.sent
	if want.Bytes == 0 { // compared only where a test names them
		got.Bytes = 0
	}
	if got != want {
		p.t.Fatalf("%s: sent %+v; want %+v", why, got, want)
	}
}

func (p *probe) received() (data []byte, blocks int, ended bool) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.data, len(p.blocks), p.ended
}

// TestScene demonstrates the harness: a server's Conn, a client played by the script, and a probe
// instead of the application.
func TestScene(t *testing.T) {
	greeted(t, Server, Config{}, func(s *scene) {
		s.peer.Request(1, "/s/m")
		s.peer.WriteMessage(1, true, []byte("hello"))
		call := s.served(1)
		if data, _, ended := call.received(); string(data) != string(h2peer.Message([]byte("hello"))) || !ended {
			t.Fatalf("received %q, ended %v", data, ended)
		}
		o := message([]byte("world"))
		o.Headers, o.Trailers = responseHeaders(), statusOK()
		call.stream.Send(o)
		s.peer.WantResponse("headers", 1)
		s.peer.WantMessage("message", 1, false, []byte("world"))
		s.peer.WantTrailers("status", 1, 0)
		s.peer.WantIdle("no reset: the request had ended")
		call.wantSent("all of it", frame.Sent{Headers: true, Messages: 1, End: true})
		call.wantClean("both sides ended it")
		s.conn.Close()
		s.wantDead("Close says goodbye", http2.ErrCodeNo)
		if err := s.ended(); err != nil {
			t.Errorf("OnClosed(%v) after Close", err)
		}
	})
}

var errWire = errors.New("wire cut")
