package faultproxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/internal/faultproxy"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// callDeadline is each call's, on the fake clock.
const callDeadline = 5 * time.Second

// rest is the time between calls: longer than a stall that ends, and than it
// takes to find out that a connection is dead.
const rest = 40 * time.Second

// shapes are the calls of a session, in order. Each returns nil only for OK with
// all of the response.
var shapes = []struct {
	name string
	call func(ctx context.Context, c parity.Caller) error
}{
	{"unary", func(ctx context.Context, c parity.Caller) error {
		res, err := c.Unary(ctx, []byte("unary"), parity.Options{})
		return judge(res, "unary", err)
	}},
	{"server stream", func(ctx context.Context, c parity.Caller) error {
		s, err := c.ServerStream(ctx, []byte("out"), parity.Options{})
		if err != nil {
			return err
		}
		return gather(s, "outoutout")
	}},
	{"client stream", func(ctx context.Context, c parity.Caller) error {
		s, err := c.ClientStream(ctx, parity.Options{})
		if err != nil {
			return err
		}
		for _, m := range []string{"i", "n"} {
			if err := s.Send([]byte(m)); err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("Send: %w", err)
			}
		}
		res, err := s.CloseAndRecv()
		return judge(res, "in", err)
	}},
	{"bidi stream", func(ctx context.Context, c parity.Caller) error {
		s, err := c.BidiStream(ctx, parity.Options{})
		if err != nil {
			return err
		}
		var got []byte
		for _, m := range []string{"to", "and", "fro"} {
			if err := s.Send([]byte(m)); err != nil {
				break // Recv says why
			}
			res, err := s.Recv()
			if err != nil {
				return err
			}
			got = append(got, res...)
		}
		if err := s.CloseSend(); err != nil {
			return fmt.Errorf("CloseSend: %w", err)
		}
		err = gather(s, "")
		return judge(got, "toandfro", err)
	}},
}

// judge turns OK without all of the response into an error.
func judge(got []byte, want string, err error) error {
	if err == nil && string(got) != want {
		return fmt.Errorf("OK with response %q, want %q", got, want)
	}
	return err
}

// gather receives to the end.
func gather(s parity.Output, want string) error {
	var got bytes.Buffer
	for {
		res, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return judge(got.Bytes(), want, nil)
		}
		if err != nil {
			return err
		}
		got.Write(res)
	}
}

// pair is a style of client and one of server.
type pair struct {
	from parity.CallerKind
	to   parity.HostKind
}

func (p pair) String() string { return p.from.Name + " to " + p.to.Name }

// mark is how many bytes were passed when something happened.
type mark struct{ up, down int64 }

// result is what became of a session's calls.
type result struct {
	ends  []error
	marks []mark // before each call, and after the last
}

// play makes the calls of a session through a proxy with a plan for the first
// connection, in the current bubble. When it returns, both ends are closed, and
// the server's methods have all been told.
func play(t *testing.T, p pair, plan faultproxy.Plan) result {
	t.Helper()
	return playWith(t, p, plan, transport.Config{})
}

// playWith is play with a configuration of both transports.
func playWith(t *testing.T, p pair, plan faultproxy.Plan, cfg transport.Config) result {
	t.Helper()
	front, back := memconn.Listen(), memconn.Listen()
	dial := func(ctx context.Context) (net.Conn, error) { return back.Dial(ctx) }
	proxy := faultproxy.Start(front, dial, func(n int) faultproxy.Plan {
		if n > 0 {
			return faultproxy.Plan{}
		}
		return plan
	})
	var running atomic.Int32
	_, stop := p.to.Serve(t, back, nil, parity.Serving{
		Service: counted(&running), Options: []server.Option{server.WithTransport(cfg)},
	})
	c, err := p.from.Dial(parity.Dialing{
		Address: "passthrough:///mem",
		Options: []client.Option{client.WithTransport(cfg), client.WithDialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
			return front.Dial(ctx)
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	var r result
	note := func() {
		synctest.Wait()
		up, down := proxy.Passed(0)
		r.marks = append(r.marks, mark{up, down})
	}
	for _, s := range shapes {
		note()
		ctx, cancel := context.WithTimeout(t.Context(), callDeadline)
		r.ends = append(r.ends, s.call(ctx, c))
		cancel()
		time.Sleep(rest) // fake clock
	}
	note()
	if n := running.Load(); n != 0 {
		t.Errorf("%d methods of the server were not told that their calls have ended", n)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close of the client: %v", err)
	}
	stop()
	proxy.Close()
	return r
}

// counted is the echo service, and how many of its methods run.
func counted(running *atomic.Int32) *parity.Service {
	count := func() (end func()) {
		running.Add(1)
		return func() { running.Add(-1) }
	}
	echo := parity.Echo()
	s := *echo
	s.Unary = func(c parity.Call, req []byte) ([]byte, error) {
		defer count()()
		return echo.Unary(c, req)
	}
	s.ServerStream = func(c parity.Call, req []byte, out parity.Out) error {
		defer count()()
		return echo.ServerStream(c, req, out)
	}
	s.ClientStream = func(c parity.Call, in parity.In) ([]byte, error) {
		defer count()()
		return echo.ClientStream(c, in)
	}
	s.BidiStream = func(c parity.Call, in parity.In, out parity.Out) error {
		defer count()()
		return echo.BidiStream(c, in, out)
	}
	return &s
}
