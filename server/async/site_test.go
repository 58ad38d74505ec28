package async_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
)

// text is the message of the tests' methods.
type text = wrapperspb.StringValue

var (
	unary        = call.Method[text, text]{Name: "/test.Echo/Unary", Shape: call.Unary}
	serverStream = call.Method[text, text]{Name: "/test.Echo/ServerStream", Shape: call.ServerStream}
	clientStream = call.Method[text, text]{Name: "/test.Echo/ClientStream", Shape: call.ClientStream}
	bidi         = call.Method[text, text]{Name: "/test.Echo/Bidi", Shape: call.BidiStream}
)

// ok is the status of success, teapot one that only an application thinks of.
var ok, teapot = cqrpc.Status{}, cqrpc.Status{Code: cqrpc.CodeFailedPrecondition, Message: "teapot"}

// site is a server in the queue style in a bubble, its queue, and a scripted
// client on a connection to it.
type site struct {
	*testing.T
	server *server.Server
	q      *cq.Queue
	peer   *h2peer.Peer

	unary        *async.UnaryMethod[text, text]
	serverStream *async.ServerStreamMethod[text, text]
	clientStream *async.ClientStreamMethod[text, text]
	bidi         *async.BidiStreamMethod[text, text]
}

// play runs script in a bubble. However the script leaves things, closing must
// then end everything: no goroutine, no buffer, and the queue drains.
func play(t *testing.T, script func(s *site), opts ...server.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		leak.Check(t)
		leak.Buffers(t)
		s := &site{T: t, server: server.New(opts...), q: cq.New()}
		var errs [5]error
		s.unary, errs[0] = async.RegisterUnary(s.server, unary)
		s.serverStream, errs[1] = async.RegisterServerStream(s.server, serverStream)
		s.clientStream, errs[2] = async.RegisterClientStream(s.server, clientStream)
		s.bidi, errs[3] = async.RegisterBidiStream(s.server, bidi)
		errs[4] = s.server.AddQueue(s.q)
		must(t, errors.Join(errs[:]...))
		net, served := memconn.Listen(), make(chan error, 1)
		go func() { served <- s.server.Serve(net) }()
		t.Cleanup(func() {
			background := context.Background() // the test's has ended
			if err := errors.Join(s.server.Close(), s.q.Close(background)); err != nil {
				t.Error(err)
			}
			<-served
		})
		nc, err := net.Dial(t.Context())
		must(t, err)
		s.peer = h2peer.New(t, nc, h2peer.Client)
		s.peer.Greet()
		s.peer.Ignore(http2.FrameWindowUpdate, http2.FramePing)
		script(s)
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want takes exactly these events once nothing moves, "tag" or "!tag" for one
// that is false, in any order.
func (s *site) want(why string, tags ...string) []cq.Event {
	s.Helper()
	return s.wantOf(why, s.q, tags...)
}

func (s *site) wantOf(why string, q *cq.Queue, tags ...string) []cq.Event {
	s.Helper()
	synctest.Wait()
	var events []cq.Event
	var got []string
	for ev := q.NextUntil(time.Now()); ev.Kind == cq.OpComplete; ev = q.NextUntil(time.Now()) {
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

// refuse wants an operation to be refused with this error.
func refuse(t testing.TB, why string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v; want %v", why, got, want)
	}
}

// encoded is s as the bytes of a message.
func encoded(s string) []byte {
	b, err := proto.Marshal(wrapperspb.String(s))
	if err != nil {
		panic(err)
	}
	return b
}

// talk is a bidi call and its context.
type talk struct {
	async.ReaderWriter[text, text]
	ctx async.Context
	req text // where Read goes
}

// talk opens stream id with a bidi call and takes it.
func (s *site) talk(id uint32) *talk {
	s.Helper()
	d := new(talk)
	must(s, s.bidi.Request(&d.ctx, &d.ReaderWriter, nil, s.q, "request"))
	s.peer.Request(id, bidi.Name)
	s.want("a call", "request")
	return d
}
