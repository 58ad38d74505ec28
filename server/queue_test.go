package server_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// queued is a server with one queue.
func queued(t *testing.T, opts ...server.Option) (*server.Server, *cq.Queue) {
	t.Helper()
	s, q := server.New(opts...), cq.New()
	if err := s.AddQueue(q); err != nil {
		t.Fatal(err)
	}
	return s, q
}

// method registers a method or fails the test.
func method(t *testing.T, s *server.Server, name string, p server.PayloadHandling) *server.Method {
	t.Helper()
	m, err := s.RegisterMethod(name, p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wantTag takes the next event, which must be there once nothing moves.
func wantTag(t *testing.T, q *cq.Queue, tag cq.Tag, ok bool) cq.Event {
	t.Helper()
	synctest.Wait()
	ev := q.NextUntil(time.Now())
	if ev.Kind != cq.OpComplete || ev.Tag != tag || ev.OK != ok {
		t.Fatalf("got %v %v %v (%v); want tag %v, %v", ev.Kind, ev.Tag, ev.OK, ev.Err, tag, ok)
	}
	return ev
}

// wantNoTag wants q to be open and without events.
func wantNoTag(t *testing.T, q *cq.Queue) {
	t.Helper()
	synctest.Wait()
	if ev := q.NextUntil(time.Now()); ev.Kind != cq.Timeout {
		t.Fatalf("got %v %v; want nothing", ev.Kind, ev.Tag)
	}
}

// ask requests a call and fails the test on misuse.
func ask(t *testing.T, s *server.Server, m *server.Method, q *cq.Queue, tag cq.Tag) *server.IncomingCall {
	t.Helper()
	slot := new(server.IncomingCall)
	if err := s.RequestRegisteredCall(m, slot, nil, q, tag); err != nil {
		t.Fatal(err)
	}
	return slot
}

// finish ends a matched call with OK.
func finish(t *testing.T, c *call.Call, q *cq.Queue) {
	t.Helper()
	if err := c.StartBatch([]call.Op{call.SendStatus(cqrpc.Status{}, nil)}, "finish"); err != nil {
		t.Fatal(err)
	}
	wantTag(t, q, "finish", true)
}

// TestRequestedCall is the life of a call in the queue style.
func TestRequestedCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		m := method(t, s, unary.Name, server.PayloadOnly)
		p := serve(t, s).dial()
		slot := ask(t, s, m, q, "request")
		p.Request(1, unary.Name, "k", "v", "grpc-timeout", "1S")
		wantNoTag(t, q)
		p.WriteMessage(1, true, encoded("hello"))
		wantTag(t, q, "request", true)
		if got := decoded(t, slot.Payload.Bytes()); got != "hello" || slot.Method != unary.Name ||
			slot.Metadata.Get("k") != "v" || !slot.Deadline.Equal(time.Now().Add(time.Second)) {
			t.Errorf("slot is %+v with payload %q", slot, got)
		}
		slot.Payload.Free()

		var cancelled bool
		if err := slot.Call.StartBatch([]call.Op{call.RecvClose(&cancelled)}, "close"); err != nil {
			t.Fatal(err)
		}
		err := slot.Call.StartBatch([]call.Op{
			call.SendInitialMetadata(nil), call.SendValue(&text{Value: "bye"}), call.SendStatus(cqrpc.Status{}, nil),
		}, "reply")
		if err != nil {
			t.Fatal(err)
		}
		p.WantResponse("headers", 1)
		p.WantMessage("the response", 1, false, encoded("bye"))
		p.WantTrailers("the status", 1, 0)
		tags := []cq.Tag{q.Next(t.Context()).Tag, q.Next(t.Context()).Tag}
		if tags[0] == tags[1] || cancelled {
			t.Errorf("tags %v, cancelled %v", tags, cancelled)
		}
	})
}

// TestPayloadValue: the first message is decoded where the tag is harvested;
// a call whose message does not decode never gets to the application.
func TestPayloadValue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		m := method(t, s, unary.Name, server.PayloadFirst)
		p := serve(t, s).dial()
		var req text
		slot := &server.IncomingCall{Value: &req}
		if err := s.RequestRegisteredCall(m, slot, q, q, "request"); err != nil {
			t.Fatal(err)
		}
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, []byte{0xff})
		wantNoTag(t, q)
		p.WantTrailers("not a message of this type", 1, 13)
		p.Request(3, unary.Name)
		p.WriteData(3, true, nil)
		wantNoTag(t, q)
		p.WantTrailers("no message", 3, 12)
		p.WriteHeaders(5, false, request(unary.Name, "grpc-encoding", "gzip")...)
		p.WriteData(5, true, []byte{1, 0, 0, 0, 1, 'x'})
		wantNoTag(t, q)
		p.WantTrailers("not gzip", 5, 13)

		p.Request(7, unary.Name)
		p.WriteMessage(7, true, encoded("at last"))
		wantTag(t, q, "request", true)
		if req.Value != "at last" || slot.Payload != nil {
			t.Errorf("value %q, payload %v", req.Value, slot.Payload)
		}
		finish(t, slot.Call, q)
	})
}

// TestPayloadNeverComes: a call that dies before its payload is there leaves
// the request where it was; the half-close alone is no payload, but a call.
func TestPayloadNeverComes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		m := method(t, s, bidi.Name, server.PayloadFirst)
		p := serve(t, s).dial()
		slot := ask(t, s, m, q, "request")
		p.Request(1, bidi.Name)
		p.WriteData(1, false, []byte{0, 0, 0, 0, 9, 'x'})
		p.WriteRST(1, http2.ErrCodeCancel)
		wantNoTag(t, q)
		p.Request(3, bidi.Name, "grpc-timeout", "1S")
		p.Advance(2 * time.Second)
		p.WantTrailers("it waited too long", 3, 4)
		p.WantRST("and was not done", 3, http2.ErrCodeNo)
		wantNoTag(t, q)
		p.Request(5, bidi.Name)
		p.WriteData(5, true, nil)
		wantTag(t, q, "request", true)
		if slot.Payload != nil || slot.Call == nil {
			t.Errorf("slot is %+v", slot)
		}
		finish(t, slot.Call, q)
	})
}

// TestPayloadOnly: the application need not look for a second message.
func TestPayloadOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		m := method(t, s, unary.Name, server.PayloadOnly)
		p := serve(t, s).dial()
		slot := ask(t, s, m, q, "request")
		p.Request(1, unary.Name)
		p.WriteData(1, true, nil)
		wantNoTag(t, q)
		p.WantTrailers("a call without its message", 1, 12)
		p.Request(3, unary.Name)
		p.WriteMessage(3, false, encoded("one"))
		wantNoTag(t, q) // there may be another
		p.WriteMessage(3, false, encoded("two"))
		wantNoTag(t, q)
		p.WantTrailers("one message too many", 3, 12)
		p.WantRST("the client was not done", 3, http2.ErrCodeNo)
		p.Request(5, unary.Name)
		p.WriteMessage(5, false, encoded("one"))
		p.WriteData(5, true, nil)
		wantTag(t, q, "request", true)
		slot.Payload.Free()
		finish(t, slot.Call, q)
	})
}

// TestUnregisteredCalls: RequestCall takes what no one registered for.
func TestUnregisteredCalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		method(t, s, unary.Name, server.PayloadNone)
		p := serve(t, s).dial()
		p.Request(1, "/any/Method")
		p.WantTrailers("nobody has asked yet", 1, 12)
		p.WantRST("and was not done", 1, http2.ErrCodeNo)

		slot, bound := new(server.IncomingCall), cq.New()
		if err := s.RequestCall(slot, bound, q, "request"); err != nil {
			t.Fatal(err)
		}
		p.Request(3, unary.Name)
		wantNoTag(t, q) // registered: not for RequestCall
		p.Request(5, "/any/Method")
		wantTag(t, q, "request", true)
		if slot.Method != "/any/Method" {
			t.Errorf("method is %s", slot.Method)
		}
		finish(t, slot.Call, bound)
		p.WriteRST(3, http2.ErrCodeCancel)
		bound.Shutdown()
	})
}

// TestQueuesInTurn: calls go round the queues that have requests, or begin with
// their connection's.
func TestQueuesInTurn(t *testing.T) {
	for _, byHomeQueue := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			var opts []server.Option
			if byHomeQueue {
				opts = append(opts, server.WithHomeQueue())
			}
			s := server.New(opts...)
			queues := [3]*cq.Queue{cq.New(), cq.New(), cq.New()}
			for _, q := range queues {
				if err := s.AddQueue(q); err != nil {
					t.Fatal(err)
				}
			}
			m := method(t, s, bidi.Name, server.PayloadNone)
			for i := range 6 {
				ask(t, s, m, queues[i%3], i)
			}
			x := serve(t, s)
			x.dial() // at home with the first queue
			p := x.dial()
			want := []int{0, 1, 2, 0, 1, 2}
			if byHomeQueue {
				want = []int{1, 1, 2, 2, 0, 0}
			}
			for i, at := range want {
				p.Request(uint32(2*i+1), bidi.Name)
				synctest.Wait()
				for j, q := range queues {
					if ev := q.NextUntil(time.Now()); (ev.Kind == cq.OpComplete) != (j == at) {
						t.Errorf("byHomeQueue %v, call %d: queue %d says %v; want it in queue %d", byHomeQueue, i, j, ev.Kind, at)
					}
				}
			}
		})
	}
}

func TestMisuse(t *testing.T) {
	s, q := queued(t)
	other, finished := cq.New(), cq.New()
	finished.Shutdown()
	none := method(t, s, "/a/None", server.PayloadNone)
	first := method(t, s, "/a/First", server.PayloadFirst)
	foreign := method(t, server.New(), "/a/None", server.PayloadNone)
	slot, value := new(server.IncomingCall), &server.IncomingCall{Value: new(text)}
	tests := []struct {
		name string
		err  error
		want error
	}{
		{"queue not added", s.RequestCall(slot, q, other, 1), server.ErrUnknownQueue},
		{"queue not added, registered", s.RequestRegisteredCall(first, slot, q, other, 1), server.ErrUnknownQueue},
		{"method of another server", s.RequestRegisteredCall(foreign, slot, q, q, 1), server.ErrUnknownMethod},
		{"no method", s.RequestRegisteredCall(nil, slot, q, q, 1), server.ErrUnknownMethod},
		{"value without payload", s.RequestRegisteredCall(none, value, q, q, 1), server.ErrPayloadMismatch},
		{"notice on a finished queue", s.ShutdownAndNotify(finished, 1), cq.ErrShutdown},
		{"adding a queue twice", s.AddQueue(q), nil},
	}
	for _, test := range tests {
		if !errors.Is(test.err, test.want) {
			t.Errorf("%s: got %v; want %v", test.name, test.err, test.want)
		}
	}
	if ev := q.NextUntil(time.Now()); ev.Kind != cq.Timeout {
		t.Errorf("a refused request left %v %v", ev.Kind, ev.Tag)
	}
	for _, name := range []string{"", "a/b", "/a", "/a/", "//b", "/a/None"} {
		if _, err := s.RegisterMethod(name, server.PayloadNone); err == nil {
			t.Errorf("method %q was registered", name)
		}
	}
	dup := server.Unary(call.Method[text, text]{Name: "/a/Dup"}, echo)
	if err := s.Register(dup, dup); err == nil {
		t.Error("a method was registered twice")
	}
	if err := s.Register(dup); err != nil {
		t.Errorf("after a failed Register nothing was to be registered: %v", err)
	}
	generic := server.Generic(func(context.Context, *server.RawStream) error { return nil })
	if err := errors.Join(s.Register(generic), s.Register(generic)); err == nil {
		t.Error("two generic handlers were registered")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.RequestCall(slot, q, q, 1); !errors.Is(err, cq.ErrShutdown) {
		t.Errorf("request on the queue of a closed server: %v", err)
	}
	if err := s.AddQueue(other); !errors.Is(err, server.ErrServing) {
		t.Errorf("AddQueue after the end: %v", err)
	}
	if _, err := s.RegisterMethod("/a/Late", server.PayloadNone); !errors.Is(err, server.ErrServing) {
		t.Errorf("RegisterMethod after the end: %v", err)
	}
	if err := s.Register(server.Unary(unary, echo)); !errors.Is(err, server.ErrServing) {
		t.Errorf("Register after the end: %v", err)
	}
}
