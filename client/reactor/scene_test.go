package reactor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/reactor"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	serverreactor "github.com/cqrpc/cqrpc/server/reactor"
)

// text is the message of the tests' methods.
type text = wrapperspb.StringValue

var (
	unary        = call.Method[text, text]{Name: "/test.Echo/Unary", Shape: call.Unary}
	clientStream = call.Method[text, text]{Name: "/test.Echo/ClientStream", Shape: call.ClientStream}
	serverStream = call.Method[text, text]{Name: "/test.Echo/ServerStream", Shape: call.ServerStream}
	bidi         = call.Method[text, text]{Name: "/test.Echo/Bidi", Shape: call.BidiStream}
)

// ok is the status OK.
var ok cqrpc.Status

// scene is a client and a server, both in the reactor style, in one bubble.
type scene struct {
	*testing.T
	ch       *client.Channel
	stub     *reactor.Stub
	server   *server.Server
	net      *memconn.Listener
	isInline bool

	mu   sync.Mutex
	conn *memconn.Conn // guarded by mu: the client's end of the latest connection
}

// play runs script in a bubble of its own for reactions on the default executor
// and for reactions inline, against the echo service or other handlers. In the
// end there must be no goroutine and no buffer.
func play(t *testing.T, script func(s *scene), handlers ...func(opts ...serverreactor.Option) server.Handler) {
	t.Helper()
	if len(handlers) == 0 {
		handlers = echoService
	}
	for _, isInline := range []bool{false, true} {
		name := map[bool]string{false: "pool", true: "inline"}[isInline]
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				leak.Check(t)
				leak.Buffers(t)
				s := &scene{T: t, isInline: isInline, net: memconn.Listen()}
				s.open(handlers)
				script(s)
				synctest.Wait()
			})
		})
	}
}

func (s *scene) open(handlers []func(opts ...serverreactor.Option) server.Handler) {
	var here []reactor.Option
	var there []serverreactor.Option
	if s.isInline {
		here, there = append(here, reactor.Inline()), append(there, serverreactor.Inline())
	}
	s.server = server.New()
	for _, h := range handlers {
		if err := s.server.Register(h(there...)); err != nil {
			s.Fatal(err)
		}
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(s.net) }()
	ch, err := client.NewChannel("passthrough:///mem", client.WithInsecure(), client.WithDialer(s.dial))
	if err != nil {
		s.Fatal(err)
	}
	s.ch, s.stub = ch, reactor.New(ch, here...)
	s.Cleanup(func() {
		if err := ch.Close(); err != nil {
			s.Error(err)
		}
		if err := s.server.Close(); err != nil {
			s.Error(err)
		}
		if err := <-served; !errors.Is(err, server.ErrServerClosed) {
			s.Error(err)
		}
	})
}

func (s *scene) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	nc, err := s.net.Dial(ctx)
	s.mu.Lock()
	s.conn = nc
	s.mu.Unlock()
	return nc, err
}

// wait lets everything happen that can.
func (s *scene) wait() { synctest.Wait() }

// journal is what has happened to a reactor. It finds reactions that overlap,
// and reactions after the last.
type journal struct {
	t       *testing.T
	running atomic.Int32

	mu    sync.Mutex
	lines []string // guarded by mu
	ended bool     // guarded by mu
	last  cqrpc.Status
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
	j.lines = append(j.lines, line)
	j.mu.Unlock()
	return func() { j.running.Add(-1) }
}

// done is the last note.
func (j *journal) done(st cqrpc.Status) {
	defer j.note("done %v", st.Code)()
	j.mu.Lock()
	j.ended, j.last = true, st
	j.mu.Unlock()
}

// want wants exactly this to have happened by now.
func (j *journal) want(why string, lines ...string) {
	j.t.Helper()
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.lines, lines) {
		j.t.Fatalf("%s: the reactions were\n%q, want\n%q (last status %v)", why, j.lines, lines, j.last)
	}
}

// wantDone wants the call to have ended by now, whatever happened before.
func (j *journal) wantDone(why string, code cqrpc.Code, message string) {
	j.t.Helper()
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.ended || j.last.Code != code || message != "*" && j.last.Message != message {
		j.t.Fatalf("%s: ended %v, status %v; want %v %q; reactions %q", why, j.ended, j.last, code, message, j.lines)
	}
}

func (j *journal) wantOpen(why string) {
	j.t.Helper()
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		j.t.Fatalf("%s: the call has ended with %v; reactions %q", why, j.last, j.lines)
	}
}

// count is how often a line occurs.
func (j *journal) count(line string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range j.lines {
		if l == line {
			n++
		}
	}
	return n
}
