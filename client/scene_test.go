package client

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
)

// Methods of every shape whose messages are plain bytes.
var (
	unaryMethod  = call.Method[[]byte, []byte]{Name: "/test.Echo/Unary", Shape: call.Unary}
	serverMethod = call.Method[[]byte, []byte]{Name: "/test.Echo/Server", Shape: call.ServerStream}
	clientMethod = call.Method[[]byte, []byte]{Name: "/test.Echo/Client", Shape: call.ClientStream}
	bidiMethod   = call.Method[[]byte, []byte]{Name: "/test.Echo/Bidi", Shape: call.BidiStream}
)

// lasting is how long a connection must live to prove its address good.
const lasting = 2 * time.Second

// scene is one Channel in a bubble and the network it dials into.
type scene struct {
	*testing.T
	ch       *Channel
	net      *memconn.Listener
	born     time.Time
	accepted int

	mu sync.Mutex
	// guarded by mu
	hook  func(ctx context.Context) error // may fail a dial
	dials []time.Duration                 // when attempts began, since born
}

// play runs script in a bubble with an idle channel to "mem.test:50051" whose
// back-off has no jitter. However the script leaves the channel, Close must
// then end everything: no goroutine, no buffer.
func play(t *testing.T, script func(s *scene), opts ...Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		leak.Check(t)
		leak.Buffers(t)
		s := &scene{T: t, net: memconn.Listen(), born: time.Now()}
		defaults := []Option{
			WithInsecure(), WithDialer(s.dial), WithCodec(codec.Bytes()), WithBackoff(Backoff{Jitter: -1}),
		}
		ch, err := NewChannel("mem.test:50051", append(defaults, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		s.ch = ch
		t.Cleanup(s.end)
		script(s)
	})
}

func (s *scene) end() {
	if err := s.ch.Close(); err != nil {
		s.Error("Close:", err)
	}
	s.net.Close()
	s.advance(time.Minute) // past LingerTimeout
	s.ch.mu.Lock()
	defer s.ch.mu.Unlock()
	if n, m := s.ch.waiting.len(), len(s.ch.waiting.index); n != 0 || m != 0 {
		s.Errorf("%d calls still wait, %d are indexed", n, m)
	}
}

func (s *scene) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" || address != "mem.test:50051" {
		s.Errorf("dialed %s %q", network, address)
	}
	s.mu.Lock()
	s.dials = append(s.dials, time.Since(s.born))
	hook := s.hook
	s.mu.Unlock()
	if hook != nil {
		if err := hook(ctx); err != nil {
			return nil, err
		}
	}
	nc, err := s.net.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return nc, nil
}

// onDial puts hook before every dial from now on.
func (s *scene) onDial(hook func(ctx context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

// attempts is when connection attempts began, once nothing moves.
func (s *scene) attempts() []time.Duration {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dials)
}

// advance moves the fake clock and lets everybody act on it.
func (s *scene) advance(d time.Duration) {
	time.Sleep(d) // fake clock
	synctest.Wait()
}

// accept takes the next connection, which must have been dialed by now. Do not
// use it where dials fail: those are not counted as accepted.
func (s *scene) accept(why string) net.Conn {
	s.Helper()
	if dials := s.attempts(); s.accepted >= len(dials) {
		s.Fatalf("%s: there was no further connection attempt after %v; %v", why, dials, s.ch)
	}
	nc, err := s.net.Accept()
	if err != nil {
		s.Fatalf("%s: %v", why, err)
	}
	s.accepted++
	return nc
}

// server is a scripted server on the next connection, opening exchange done.
func (s *scene) server(why string, settings ...http2.Setting) *h2peer.Peer {
	s.Helper()
	p := h2peer.New(s.T, s.accept(why), h2peer.Server)
	p.Greet(settings...)
	p.Ignore(http2.FrameWindowUpdate)
	return p
}

// connected is a scripted server that the idle channel has just connected to,
// on a connection old enough to prove the address good.
func (s *scene) connected(settings ...http2.Setting) *h2peer.Peer {
	s.Helper()
	s.ch.Connect()
	p := s.server("Connect connects", settings...)
	s.advance(lasting)
	s.wantState("the server greeted", Ready)
	return p
}

func (s *scene) wantState(why string, want State) {
	s.Helper()
	synctest.Wait()
	if got := s.ch.State(); got != want {
		s.Fatalf("%s: the state is %v; want %v (%v)", why, got, want, s.ch)
	}
}

// wantDials wants attempts to have begun at these times and no others.
func (s *scene) wantDials(why string, want ...time.Duration) {
	s.Helper()
	got := s.attempts()
	isSame := func(a, b time.Duration) bool { return (a - b).Abs() < time.Millisecond }
	if !slices.EqualFunc(got, want, isSame) {
		s.Fatalf("%s: attempts at %v; want %v", why, got, want)
	}
}

// result is a unary call on a goroutine of its own.
type result struct {
	done chan struct{}
	res  string
	err  error
}

func (s *scene) unary(ctx context.Context, req string, opts ...CallOption) *result {
	r := &result{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		b := []byte(req)
		res, err := Unary(ctx, s.ch, unaryMethod, &b, opts...)
		if r.err = err; err == nil {
			r.res = string(*res)
		}
	}()
	synctest.Wait()
	return r
}

func (r *result) ended() bool {
	synctest.Wait()
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (s *scene) wantPending(why string, r *result) {
	s.Helper()
	if r.ended() {
		s.Fatalf("%s: the call ended with %q, %v", why, r.res, r.err)
	}
}

func (s *scene) wantOK(why string, r *result, res string) {
	s.Helper()
	if !r.ended() {
		s.Fatalf("%s: the call has not ended; %v", why, s.ch)
	}
	if r.err != nil || r.res != res {
		s.Fatalf("%s: the call gave %q, %v; want %q", why, r.res, r.err, res)
	}
}

// wantFailed wants the call to have ended with a code, and with these words in
// its error.
func (s *scene) wantFailed(why string, r *result, code cqrpc.Code, words ...string) {
	s.Helper()
	if !r.ended() {
		s.Fatalf("%s: the call has not ended; %v", why, s.ch)
	}
	s.wantError(why, r.err, code, words...)
}

func (s *scene) wantError(why string, err error, code cqrpc.Code, words ...string) {
	s.Helper()
	if err == nil || cqrpc.CodeOf(err) != code {
		s.Fatalf("%s: the error is %v; want %v", why, err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			s.Fatalf("%s: the error is %q; want %q in it", why, err, w)
		}
	}
}

// wantEvent wants an event to be in the queue by now.
func (s *scene) wantEvent(why string, q *cq.Queue, tag cq.Tag, ok bool) {
	s.Helper()
	synctest.Wait()
	ev := q.NextUntil(time.Now())
	if ev.Kind != cq.OpComplete || ev.Tag != tag || ev.OK != ok {
		s.Fatalf("%s: the event is %+v; want tag %v, OK=%v", why, ev, tag, ok)
	}
}

func (s *scene) wantNoEvent(why string, q *cq.Queue) {
	s.Helper()
	synctest.Wait()
	if ev := q.NextUntil(time.Now()); ev.Kind != cq.Timeout {
		s.Fatalf("%s: the event is %+v; want none", why, ev)
	}
}

// wantCall wants one request with one message that ends the stream.
func wantCall(p *h2peer.Peer, why string, id uint32, path, req string, fields ...string) h2peer.Frame {
	f := p.WantRequest(why, id, path, fields...)
	p.WantMessage(why, id, true, []byte(req))
	return f
}

// answer responds with one message and OK.
func answer(p *h2peer.Peer, id uint32, res string) {
	p.Response(id)
	p.WriteMessage(id, false, []byte(res))
	p.Trailers(id, 0)
}
