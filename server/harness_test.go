package server_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
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

// decoded is the reverse.
func decoded(t *testing.T, b []byte) string {
	t.Helper()
	var m text
	if err := proto.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m.Value
}

// peer is a scripted client, h2frame what it gets.
type (
	peer    = *h2peer.Peer
	h2frame = h2peer.Frame
)

// site is a server under test and the network to reach it.
type site struct {
	t      *testing.T
	server *server.Server
	net    *memconn.Listener
	served chan error
}

// bubble runs f in a synctest bubble, which leaves neither goroutines (the
// bubble sees to that) nor buffers.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		leak.Buffers(t)
		f(t)
	})
}

// serve starts s and closes it when the test ends.
func serve(t *testing.T, s *server.Server) *site {
	t.Helper()
	x := &site{t: t, server: s, net: memconn.Listen(), served: make(chan error, 1)}
	go func() { x.served <- s.Serve(x.net) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-x.served; !errors.Is(err, server.ErrServerClosed) {
			t.Errorf("Serve returned %v; want ErrServerClosed", err)
		}
	})
	return x
}

// serveHandlers is serve for a server of handlers.
func serveHandlers(t *testing.T, handlers ...server.Handler) *site {
	t.Helper()
	s := server.New()
	if err := s.Register(handlers...); err != nil {
		t.Fatal(err)
	}
	return serve(t, s)
}

// dial returns a client that has shaken hands and has no eye for windows.
func (x *site) dial() peer {
	x.t.Helper()
	nc, err := x.net.Dial(context.Background())
	if err != nil {
		x.t.Fatal(err)
	}
	p := h2peer.New(x.t, nc, h2peer.Client)
	p.Greet()
	p.Ignore(http2.FrameWindowUpdate, http2.FramePing)
	return p
}
