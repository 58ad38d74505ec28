package parity

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
)

// persistent is a policy for servers that fail twice.
func persistent() *call.RetryPolicy {
	return &call.RetryPolicy{
		MaxAttempts: 3, InitialBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond, BackoffMultiplier: 2,
		Codes: []cqrpc.Code{cqrpc.CodeUnavailable, cqrpc.CodeAborted},
	}
}

// DialPersistent makes a client of h whose calls have a policy, for the rest of the test.
func (p *Pairing) DialPersistent(t *testing.T, h *Host) Caller {
	t.Helper()
	return p.DialAs(t, Dialing{Address: h.Address, Retry: persistent()})
}

// attempts is a service whose calls all go through admit, with the number of attempts that
// they say there were before, and echo what is let in. Calls of many requests are admitted after the first.
func attempts(admit func(c Call, previous string) error) *Service {
	s, echo := Standard(), Echo()
	ask := func(c Call) error { return admit(c, c.Metadata().Get("grpc-previous-rpc-attempts")) }
	s.Unary = func(c Call, req []byte) ([]byte, error) {
		if err := ask(c); err != nil {
			return nil, err
		}
		return echo.Unary(c, req)
	}
	s.ServerStream = func(c Call, req []byte, out Out) error {
		if err := ask(c); err != nil {
			return err
		}
		return echo.ServerStream(c, req, out)
	}
	s.ClientStream = func(c Call, in In) ([]byte, error) {
		first, err := in.Recv()
		if err == nil {
			err = ask(c)
		}
		if err != nil {
			return nil, err
		}
		rest, err := echo.ClientStream(c, in)
		return append(first, rest...), err
	}
	s.BidiStream = func(c Call, in In, out Out) error {
		first, err := in.Recv()
		if err == nil {
			err = ask(c)
		}
		if err == nil {
			err = out.Send(first)
		}
		if err != nil {
			return err
		}
		return echo.BidiStream(c, in, out)
	}
	return s
}

// converseWith makes a call of each shape and wants attempts' answers.
func converseWith(t *testing.T, c Caller) {
	t.Helper()
	ctx := Within(t)
	var trailer cqrpc.Metadata
	res, err := c.Unary(ctx, []byte("a"), Options{Trailer: &trailer})
	Want(t, "Unary", err)
	wantBody(t, "response", res, []byte("a"))
	WantMetadata(t, "trailing", trailer, cqrpc.Pairs("attempt", "2"))

	out := begin[Output](t)(c.ServerStream(ctx, []byte("b"), Options{}))
	for range 3 {
		wantNext(t, out, []byte("b"))
	}
	wantDone(t, out)
	WantMetadata(t, "trailing", out.Trailer(), cqrpc.Pairs("attempt", "2"))

	in := begin[Input](t)(c.ClientStream(ctx, Options{}))
	for _, m := range []string{"c", "d", "e"} {
		Want(t, "Send", in.Send([]byte(m)))
	}
	res, err = in.CloseAndRecv()
	Want(t, "CloseAndRecv", err)
	wantBody(t, "response", res, []byte("cde"))

	s := begin[Duplex](t)(c.BidiStream(ctx, Options{}))
	for _, m := range []string{"f", "g", "h"} {
		Want(t, "Send", s.Send([]byte(m)))
	}
	wantNext(t, s, []byte("f"))
	wantNext(t, s, []byte("g"))
	Want(t, "Send", s.Send([]byte("i")))
	Want(t, "CloseSend", s.CloseSend())
	wantNext(t, s, []byte("h"))
	wantNext(t, s, []byte("i"))
	wantDone(t, s)
	WantMetadata(t, "trailing", s.Trailer(), cqrpc.Pairs("attempt", "2"))
}

// retried fails the first two attempts of every call.
func retried(t *testing.T, p *Pairing) {
	var n atomic.Int32
	h := p.Serve(t, Serving{Service: attempts(func(c Call, previous string) error {
		n.Add(1)
		if err := c.SetTrailer(cqrpc.Pairs("attempt", previous)); err != nil {
			return err
		}
		switch previous {
		case "":
			return cqrpc.Errorf(cqrpc.CodeUnavailable, "not yet")
		case "1":
			return cqrpc.Errorf(cqrpc.CodeAborted, "nor now")
		}
		return nil
	})})
	converseWith(t, p.DialPersistent(t, h))
	if got := n.Load(); got != 12 {
		t.Errorf("%d attempts of four calls, want three each", got)
	}
}

// tooManyAttempts fails all.
func tooManyAttempts(t *testing.T, p *Pairing) {
	var n atomic.Int32
	h := p.Serve(t, Serving{Service: attempts(func(_ Call, previous string) error {
		n.Add(1)
		return cqrpc.Errorf(cqrpc.CodeUnavailable, "after %q", previous)
	})})
	for shape, err := range everyShape(t, p.DialPersistent(t, h), Options{}) {
		WantCode(t, shape, err, cqrpc.CodeUnavailable)
		if got := cqrpc.StatusOf(err).Message; !strings.Contains(got, `after "2"`) { // grpc-go says more
			t.Errorf("%s: message %q of another attempt than the last", shape, got)
		}
	}
	if got := n.Load(); got != 12 {
		t.Errorf("%d attempts of four calls, want three each", got)
	}
}

// notRetried is what fails for good, at once.
func notRetried(t *testing.T, p *Pairing) {
	for name, tt := range map[string]struct {
		admit  func(Call, string) error
		policy *call.RetryPolicy
	}{
		"another status": {func(Call, string) error { return cqrpc.Errorf(cqrpc.CodeInternal, "broken") }, persistent()},
		"no policy":      {func(Call, string) error { return cqrpc.Errorf(cqrpc.CodeUnavailable, "busy") }, nil},
		"pushback": {func(c Call, _ string) error {
			Want(t, "SetTrailer", c.SetTrailer(cqrpc.Pairs("grpc-retry-pushback-ms", "-1")))
			return cqrpc.Errorf(cqrpc.CodeUnavailable, "busy")
		}, persistent()},
		"headers": {func(c Call, _ string) error {
			Want(t, "SendHeader", c.SendHeader(cqrpc.Pairs("x", "y")))
			return cqrpc.Errorf(cqrpc.CodeUnavailable, "busy")
		}, persistent()},
	} {
		var n atomic.Int32
		h := p.Serve(t, Serving{Service: attempts(func(c Call, previous string) error {
			n.Add(1)
			return tt.admit(c, previous)
		})})
		c := p.DialAs(t, Dialing{Address: h.Address, Retry: tt.policy})
		for shape, err := range everyShape(t, c, Options{}) {
			if code := cqrpc.CodeOf(err); code != cqrpc.CodeUnavailable && code != cqrpc.CodeInternal {
				t.Errorf("%s, %s: %v", name, shape, err)
			}
		}
		if got := n.Load(); got != 4 {
			t.Errorf("%s: %d attempts of four calls, want one each", name, got)
		}
	}
}

// committed fails a stream whose answer has begun.
func committed(t *testing.T, p *Pairing) {
	service := Standard()
	var n atomic.Int32
	service.BidiStream = func(_ Call, in In, out Out) error {
		n.Add(1)
		req, err := in.Recv()
		if err == nil {
			err = out.Send(req)
		}
		if err != nil {
			return err
		}
		return cqrpc.Errorf(cqrpc.CodeUnavailable, "busy")
	}
	s := begin[Duplex](t)(p.DialPersistent(t, p.Serve(t, Serving{Service: service})).BidiStream(Within(t), Options{}))
	Want(t, "Send", s.Send([]byte("a")))
	wantNext(t, s, []byte("a"))
	wantFailure(t, s, cqrpc.CodeUnavailable)
	if got := n.Load(); got != 1 {
		t.Errorf("%d attempts, want 1", got)
	}
}

// cancelBetweenAttempts ends calls that a server has put off for an hour.
func cancelBetweenAttempts(t *testing.T, p *Pairing) {
	begun := make(chan struct{}, len(shapes))
	later := func(c Call) error {
		defer func() { begun <- struct{}{} }()
		if err := c.SetTrailer(cqrpc.Pairs("grpc-retry-pushback-ms", "3600000")); err != nil {
			return err
		}
		return cqrpc.Errorf(cqrpc.CodeUnavailable, "later")
	}
	service := Standard()
	service.Unary = func(c Call, _ []byte) ([]byte, error) { return nil, later(c) }
	service.ServerStream = func(c Call, _ []byte, _ Out) error { return later(c) }
	service.ClientStream = func(c Call, _ In) ([]byte, error) { return nil, later(c) }
	service.BidiStream = func(c Call, _ In, _ Out) error { return later(c) }
	c := p.DialPersistent(t, p.Serve(t, Serving{Service: service}))
	ctx, cancel := context.WithCancel(Within(t))
	ends := callEveryShape(ctx, c)
	for range shapes {
		<-begun
	}
	cancel()
	for range shapes {
		end := <-ends
		WantCode(t, end.shape, end.err, cqrpc.CodeCanceled)
	}
}
