package async_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/async"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	serverasync "github.com/cqrpc/cqrpc/server/async"
)

// text is the message of the tests' methods.
type text = wrapperspb.StringValue

var (
	unary        = call.Method[text, text]{Name: "/test.Echo/Unary", Shape: call.Unary}
	serverStream = call.Method[text, text]{Name: "/test.Echo/ServerStream", Shape: call.ServerStream}
	clientStream = call.Method[text, text]{Name: "/test.Echo/ClientStream", Shape: call.ClientStream}
	bidi         = call.Method[text, text]{Name: "/test.Echo/Bidi", Shape: call.BidiStream}
)

// huge does not fit a window that nobody opens.
var huge = &text{Value: strings.Repeat("x", 1<<20)}

// teapot is a status that only an application would think of.
var teapot = cqrpc.Status{Code: cqrpc.CodeFailedPrecondition, Message: "teapot"}

// stage is a channel and a server in the queue style with memory between them,
// in a bubble, and the queue of each side.
type stage struct {
	*testing.T
	ch     *client.Channel
	server *server.Server
	net    *memconn.Listener
	cq, sq *cq.Queue

	unary        *serverasync.UnaryMethod[text, text]
	serverStream *serverasync.ServerStreamMethod[text, text]
	clientStream *serverasync.ClientStreamMethod[text, text]
	bidi         *serverasync.BidiStreamMethod[text, text]

	mu sync.Mutex
	// guarded by mu
	conns []net.Conn // the client's ends
}

// play runs script in a bubble. However the script leaves things, closing must
// then end everything: no goroutine, no buffer, and both queues drain.
func play(t *testing.T, script func(s *stage), opts ...client.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		leak.Check(t)
		leak.Buffers(t)
		s := &stage{T: t, server: server.New(), net: memconn.Listen(), cq: cq.New(), sq: cq.New()}
		must(t, s.server.AddQueue(s.sq))
		s.register()
		served := make(chan error, 1)
		go func() { served <- s.server.Serve(s.net) }()
		opts = append([]client.Option{client.WithInsecure(), client.WithDialer(s.dial)}, opts...)
		ch, err := client.NewChannel("passthrough:///test", opts...)
		must(t, err)
		s.ch = ch
		t.Cleanup(func() {
			s.close()
			<-served
		})
		script(s)
	})
}

func (s *stage) close() {
	err := errors.Join(s.ch.Close(), s.server.Close())
	background := context.Background() // the test's has ended
	if err := errors.Join(err, s.cq.Close(background), s.sq.Close(background)); err != nil {
		s.Error(err)
	}
}

func (s *stage) register() {
	var errs [4]error
	s.unary, errs[0] = serverasync.RegisterUnary(s.server, unary)
	s.serverStream, errs[1] = serverasync.RegisterServerStream(s.server, serverStream)
	s.clientStream, errs[2] = serverasync.RegisterClientStream(s.server, clientStream)
	s.bidi, errs[3] = serverasync.RegisterBidiStream(s.server, bidi)
	must(s, errors.Join(errs[:]...))
}

func (s *stage) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	nc, err := s.net.Dial(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, nc)
	return nc, nil
}

// cut ends all connections under way.
func (s *stage) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, nc := range s.conns {
		nc.Close()
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want takes exactly these events from q once nothing moves, "tag" or "!tag"
// for one that is false, in any order. A false one says why.
func (s *stage) want(why string, q *cq.Queue, tags ...string) []cq.Event {
	s.Helper()
	synctest.Wait()
	var events []cq.Event
	var got []string
	for {
		ev := q.NextUntil(time.Now())
		if ev.Kind != cq.OpComplete {
			break
		}
		name := fmt.Sprint(ev.Tag)
		if !ev.OK {
			name = "!" + name
		}
		if ev.OK != (ev.Err == nil) {
			s.Errorf("%s: event %s has error %v", why, name, ev.Err)
		}
		got, events = append(got, name), append(events, ev)
	}
	slices.Sort(got)
	slices.Sort(tags)
	if !slices.Equal(got, tags) {
		s.Fatalf("%s: got events %q, want %q", why, got, tags)
	}
	return events
}

// wantStatus compares code and, if given, message.
func (s *stage) wantStatus(why string, got cqrpc.Status, code cqrpc.Code, message ...string) {
	s.Helper()
	if got.Code != code || len(message) > 0 && got.Message != message[0] {
		s.Errorf("%s: the status is %v; want %v %q", why, got, code, message)
	}
}

// refuse wants an operation to be refused with this error.
func refuse(t testing.TB, why string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v; want %v", why, got, want)
	}
}

// talk is a bidi call, seen from both ends.
type talk struct {
	client *async.ReaderWriter[text, text]
	server serverasync.ReaderWriter[text, text]
	ctx    serverasync.Context
	queue  *cq.Queue // the server's

	req, res text // where the two ends read to
	status   cqrpc.Status
}

// talk makes a bidi call that both ends know of, and with "done" the notice of
// its end. name is put before the tags of its operations.
func (s *stage) talk(ctx context.Context, name string, opts ...client.CallOption) *talk {
	s.Helper()
	d := &talk{queue: s.sq}
	must(s, d.ctx.AsyncNotifyWhenDone(s.sq, name+"done"))
	must(s, s.bidi.Request(&d.ctx, &d.server, s.sq, s.sq, "request"))
	rw, err := async.BidiStream(ctx, s.ch, bidi, s.cq, "start", opts...)
	must(s, err)
	d.client = rw
	s.want("the call begins", s.cq, "start")
	s.want("and comes", s.sq, "request")
	return d
}

// end ends what a script has left of the call, from the client's side, and
// takes all events.
func (s *stage) end(d *talk) {
	s.Helper()
	d.client.TryCancel()
	synctest.Wait()
	_ = d.server.Finish(cqrpc.Status{}, "finish")
	for _, q := range []*cq.Queue{s.cq, s.sq} {
		synctest.Wait()
		for q.NextUntil(time.Now()).Kind == cq.OpComplete {
		}
	}
}
