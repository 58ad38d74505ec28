package server

import (
	"testing"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// TestDeadCallDoesNotWait: if the stream of a call ends just before the call begins to wait, nobody
// is told any more, so the call must not take a place until it is too old.
func TestDeadCallDoesNotWait(t *testing.T) {
	s := New()
	m, err := s.RegisterMethod("/a/B", PayloadNone)
	if err != nil {
		t.Fatal(err)
	}
	headers := &frame.Headers{Fields: []frame.Field{
		{Name: ":method", Value: "POST"}, {Name: ":path", Value: "/a/B"}, {Name: ":authority", Value: "a"},
		{Name: "te", Value: "trailers"}, {Name: "content-type", Value: "application/grpc"},
	}}
	k, err := call.NewServer(nil, call.Config{}, nowhere{}, headers, &call.Peer{})
	if err != nil {
		t.Fatal(err)
	}
	a := &arrival{Attempt: k.Receiver(), call: k, method: m}
	var lane cq.Lane
	a.OnClosed(&frame.CloseError{Kind: frame.ConnLost}, frame.Sent{}, &lane)
	m.matcher.offer(a, &lane)
	if n := s.pending.calls.Load(); n != 0 || m.matcher.lineup.pending.head != nil {
		t.Errorf("%d calls wait; want none", n)
	}
}
