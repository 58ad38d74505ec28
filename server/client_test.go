package server_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// client is just enough of one to make calls: one connection, the engine, and
// a pluck queue of one per call.
type client struct{ conn *transport.Conn }

func newClient(nc net.Conn) *client {
	return &client{transport.New(transport.Client, nc, transport.Config{}, ignoreConn{})}
}

type ignoreConn struct{}

func (ignoreConn) OnStream(*transport.Stream, *frame.Headers, *cq.Lane) {}
func (ignoreConn) OnReady()                                             {}
func (ignoreConn) OnDrain(error)                                        {}
func (ignoreConn) OnClosed(error)                                       {}

// Open implements call.Opener.
func (c *client) Open(k *call.Call) {
	st, err := c.conn.NewStream(k.Receiver())
	if err != nil {
		k.Fail(cqrpc.Status{Code: cqrpc.CodeUnavailable, Message: err.Error()}, err)
		return
	}
	k.Bind(st, &call.Peer{Addr: c.conn.RemoteAddr()})
}

// Forget implements call.Opener.
func (c *client) Forget(*call.Call) {}
func (c *client) Rest(*call.Call)   {}
func (c *client) Obstacle() error   { return nil }

// unary makes one unary call.
func (c *client) unary(method string, req, res any) cqrpc.Status {
	w := new(cq.Waiter)
	k := call.NewClient(nil, call.Config{Completer: w, Method: method, Authority: "test"}, c)
	var st cqrpc.Status
	var ops = [...]call.Op{
		call.SendInitialMetadata(nil), call.SendValue(req), call.SendClose(),
		call.RecvInitialMetadata(nil), call.RecvValue(res, nil), call.RecvStatus(&st, nil),
	}
	if err := k.StartBatch(ops[:], nil); err != nil {
		return cqrpc.StatusOf(err)
	}
	w.Wait(context.Background())
	return st
}

// converse makes a call of chat, takes an answer to each text, and then the status.
func converse(s *server.Server, texts ...string) error {
	nc, err := s.Dial(context.Background(), "", "")
	if err != nil {
		return err
	}
	c := newClient(nc)
	defer c.conn.Close()
	k := call.NewClient(nil, call.Config{Method: chat.Name, Authority: "example.com"}, c)
	defer k.Close()
	var w cq.Waiter
	do := func(ops ...call.Op) error {
		if err := k.StartBatchOn(&w, ops, nil); err != nil {
			return err
		}
		w.Wait(context.Background())
		return nil
	}
	if err := do(call.SendInitialMetadata(nil)); err != nil {
		return err
	}
	for _, text := range texts {
		var answer wrapperspb.StringValue
		if err := do(call.SendValue(wrapperspb.String(text)), call.RecvValue(&answer, nil)); err != nil {
			return err
		}
		fmt.Println(answer.Value)
	}
	var end wrapperspb.StringValue
	var st cqrpc.Status
	if err := do(call.SendClose(), call.RecvValue(&end, nil), call.RecvStatus(&st, nil)); err != nil {
		return err
	}
	return st.Err()
}

// client returns a client of the site.
func (x *site) client() *client {
	x.t.Helper()
	nc, err := x.net.Dial(context.Background())
	if err != nil {
		x.t.Fatal(err)
	}
	c := newClient(nc)
	x.t.Cleanup(c.conn.Close)
	return c
}

// TestUnaryOfBothEngines has the same engine at both ends.
func TestUnaryOfBothEngines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := serveHandlers(t, serverUnaryEcho).client()
		var res text
		if st := c.unary(unary.Name, &text{Value: "hello"}, &res); st.Code != cqrpc.CodeOK || res.Value != "re: hello" {
			t.Errorf("got %v, %q", st, res.Value)
		}
		if st := c.unary(bidi.Name, &text{}, &res); st.Code != cqrpc.CodeUnimplemented {
			t.Errorf("got %v; want UNIMPLEMENTED", st)
		}
	})
}

// statusOf starts a call without messages; the result waits for its status.
func statusOf(t *testing.T, k *call.Call) func() cqrpc.Status {
	t.Helper()
	w, st := new(cq.Waiter), new(cqrpc.Status)
	ops := []call.Op{call.SendInitialMetadata(nil), call.RecvStatus(st, nil)}
	if err := k.StartBatchOn(w, ops, nil); err != nil {
		t.Fatal(err)
	}
	return func() cqrpc.Status {
		w.Wait(context.Background())
		return *st
	}
}
