package reactor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// text is the message of the tests' methods.
type text = wrapperspb.StringValue

var (
	unary        = call.Method[text, text]{Name: "/test.Echo/Unary", Shape: call.Unary}
	clientStream = call.Method[text, text]{Name: "/test.Echo/ClientStream", Shape: call.ClientStream}
	serverStream = call.Method[text, text]{Name: "/test.Echo/ServerStream", Shape: call.ServerStream}
	bidi         = call.Method[text, text]{Name: "/test.Echo/Bidi", Shape: call.BidiStream}
)

// encoded is s as the bytes of a message.
func encoded(s string) []byte {
	b, err := proto.Marshal(wrapperspb.String(s))
	if err != nil {
		panic(err)
	}
	return b
}

// stage is a server of reactors and a scripted client.
type stage struct {
	*testing.T
	*h2peer.Peer
	*journal
	opts   []reactor.Option // for the handlers
	server *server.Server
	net    *memconn.Listener

	panics []any // what the panic handler was given
}

// journal is what has happened to the reactor of the test. It finds reactions
// that overlap, and reactions after the last.
type journal struct {
	t       *testing.T
	running atomic.Int32

	mu    sync.Mutex
	lines []string // guarded by mu
	ended bool     // guarded by mu
}

// note begins a reaction and returns what ends it.
func (j *journal) note(format string, args ...any) (end func()) {
	if j.running.Add(1) != 1 {
		j.t.Error("two reactions of one reactor overlap")
	}
	line := fmt.Sprintf(format, args...)
	j.mu.Lock()
	if j.ended {
		j.t.Errorf("%q after OnDone", line)
	}
	j.ended = line == "done"
	j.lines = append(j.lines, line)
	j.mu.Unlock()
	return func() { j.running.Add(-1) }
}

// want wants exactly this to have happened by now, and forgets it.
func (j *journal) want(why string, lines ...string) {
	j.t.Helper()
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.lines, lines) {
		j.t.Fatalf("%s: the reactions were\n%q, want\n%q", why, j.lines, lines)
	}
	j.lines, j.ended = nil, false
}

// play runs script in a bubble of its own for reactions on the default executor
// and for reactions inline, and in memory that is used again. In the end there must be no goroutine, no buffer and
// no call that is still served.
func play(t *testing.T, script func(s *stage), opts ...server.Option) {
	t.Helper()
	for name, how := range map[string][]reactor.Option{
		"pool": nil, "inline": {reactor.Inline()}, "reusing": {reactor.Inline(), reactor.Reusing()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				leak.Check(t)
				leak.Buffers(t)
				s := &stage{T: t, journal: &journal{t: t}, net: memconn.Listen(), opts: how}
				opts = append(opts, server.WithPanicHandler(func(_ string, v any, _ []byte) {
					s.panics = append(s.panics, v)
				}))
				s.server = server.New(opts...)
				script(s)
			})
		})
	}
}

// serve registers the handlers, starts the server and connects the client.
func (s *stage) serve(handlers ...server.Handler) {
	s.Helper()
	if err := s.server.Register(handlers...); err != nil {
		s.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(s.net) }()
	s.Cleanup(func() {
		if err := s.server.Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
		if err := <-served; !errors.Is(err, server.ErrServerClosed) {
			s.Errorf("Serve returned %v; want ErrServerClosed", err)
		}
	})
	s.Peer = s.dial()
}

func (s *stage) dial() *h2peer.Peer {
	s.Helper()
	nc, err := s.net.Dial(context.Background())
	if err != nil {
		s.Fatal(err)
	}
	p := h2peer.New(s.T, nc, h2peer.Client)
	p.Greet()
	p.Ignore(http2.FrameWindowUpdate, http2.FramePing)
	return p
}

// unary makes a request for the unary method.
func (s *stage) unary(id uint32, req string, fields ...string) {
	s.Request(id, unary.Name, fields...)
	s.WriteMessage(id, true, encoded(req))
}

// subject is a bidi reactor that does what its hooks say.
type subject struct {
	reactor.BidiBase[text, text]
	s                        *stage
	ctx                      *reactor.Context
	req                      text
	onHeader, onRead, onDone func(ok bool)
	onWrite                  func(ok bool)
	onCancel                 func()
}

func (r *subject) OnSendInitialMetadataDone(ok bool) {
	defer r.s.note("header %v", ok)()
	if r.onHeader != nil {
		r.onHeader(ok)
	}
}

func (r *subject) OnReadDone(ok bool) {
	defer r.s.note("read %v %q", ok, r.req.Value)()
	if r.onRead != nil {
		r.onRead(ok)
	}
	r.req.Reset()
}

func (r *subject) OnWriteDone(ok bool) {
	defer r.s.note("write %v", ok)()
	if r.onWrite != nil {
		r.onWrite(ok)
	}
}

func (r *subject) OnCancel() {
	defer r.s.note("cancel %v", r.ctx.IsCancelled())()
	if r.onCancel != nil {
		r.onCancel()
	}
}

func (r *subject) OnDone() {
	defer r.s.note("done")()
	if r.onDone != nil {
		r.onDone(true)
	}
}

// bidi serves the bidi method with a subject that begin prepares, as C++'s
// constructor of a reactor would.
func (s *stage) bidi(begin func(r *subject)) (latest func() *subject) {
	s.Helper()
	var last atomic.Pointer[subject]
	s.serve(reactor.BidiStream(bidi, func(ctx *reactor.Context) reactor.BidiReactor[text, text] {
		r := &subject{s: s, ctx: ctx}
		last.Store(r)
		begin(r)
		return r
	}, s.opts...))
	return func() *subject {
		synctest.Wait()
		return last.Load()
	}
}

// ok is the status OK.
var ok cqrpc.Status

// frame is what the scripted client gets.
type frame = h2peer.Frame
