package server_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// Requests that wait for calls hold no memory of the calls that their values have served.
func TestWaitingRequestsHoldNoMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t, server.WithCodecs(codec.ProtoReusing()))
		m := method(t, s, unary.Name, server.PayloadOnly)
		values := make([]wrapperspb.BytesValue, 8)
		request := func(i int) *server.IncomingCall {
			slot := &server.IncomingCall{Value: &values[i]}
			if err := s.RequestRegisteredCall(m, slot, nil, q, i); err != nil {
				t.Fatal(err)
			}
			return slot
		}
		slots := make([]*server.IncomingCall, len(values))
		for i := range values {
			slots[i] = request(i)
		}
		c := serve(t, s).client()
		for n := range 3 * len(values) {
			i := n % len(values)
			body, served := bytes.Repeat([]byte{byte(n)}, 5000), make(chan cqrpc.Status, 1)
			go func() { served <- c.unary(unary.Name, wrapperspb.Bytes(body), new(wrapperspb.BytesValue)) }()
			wantTag(t, q, i, true)
			if !bytes.Equal(values[i].GetValue(), body) {
				t.Fatalf("call %d brought %d bytes", n, len(values[i].GetValue()))
			}
			finish(t, slots[i].Call, q)
			<-served
			slots[i] = request(i)
			for j := range values {
				if size := cap(values[j].Value); size > 0 {
					t.Fatalf("after call %d: a request waits with %d bytes of memory", n, size)
				}
			}
		}
		drainRequests(t, s, q, len(values))
	})
}

// drainRequests ends the server and takes its requests' tags.
func drainRequests(t *testing.T, s *server.Server, q *cq.Queue, n int) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	for i := range n {
		if ev := q.NextUntil(time.Now()); ev.Kind != cq.OpComplete || ev.OK {
			t.Errorf("request %d of %d: %v %v", i, n, ev.Kind, ev.Tag)
		}
	}
	q.Shutdown()
}

// panicking is a codec that cannot reclaim.
type panicking struct{ codec.Codec }

func (panicking) Reclaim(any) { panic("reclaim") }

// A codec that panics takes no tag with it: the queue can be shut down.
func TestReclaimThatPanics(t *testing.T) {
	s, q := queued(t, server.WithCodecs(panicking{codec.Proto()}))
	m := method(t, s, unary.Name, server.PayloadOnly)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		_ = s.RequestRegisteredCall(m, &server.IncomingCall{Value: new(wrapperspb.BytesValue)}, nil, q, "tag")
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	q.Shutdown()
	if ev := q.NextUntil(time.Now()); ev.Kind != cq.Shutdown {
		t.Errorf("got %v; want that the queue is shut down", ev.Kind)
	}
}
