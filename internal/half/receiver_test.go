package half

import (
	"errors"
	"testing"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
)

// A Recv whose context ends as its message is handed out has nothing to leave:
// meanwhile another may have asked for the next one.
func TestRecvGivesUpTooLate(t *testing.T) {
	q := cq.New()
	var r Receiver[[]byte]
	r.Bind(call.NewClient(nil, call.Config{Completer: q, Method: "/a/b"}, nil), q, nil)
	a, err := r.ask(nil) // Recv waits, and its context ends
	if err != nil {
		t.Fatal(err)
	}
	*r.into, r.got = []byte("one"), true // the message comes
	(*receiving[[]byte])(&r).Run(cq.Event{OK: true})
	if m, err, ok := a.promise.Future().Poll(); !ok || err != nil || string(*m) != "one" {
		t.Fatal(m, err, ok)
	}
	next := r.Next(nil) // somebody else
	r.leave(a)          // Recv goes on

	walked := r.ForEach(func(*[]byte) (*Done, error) { return nil, nil }, func(error) {})
	if _, err, ok := walked.Poll(); !ok || !errors.Is(err, future.ErrPending) {
		t.Errorf("ForEach beside a Next that is not resolved: %v, resolved %v", err, ok)
	}
	r.Close()
	if _, err, ok := next.Poll(); !ok || !errors.Is(err, future.ErrClosed) {
		t.Errorf("Next after Close: %v, resolved %v", err, ok)
	}
}
