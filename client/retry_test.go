package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// policyOf is one of 100 ms between attempts, 20 % more or less.
func policyOf(attempts int) call.RetryPolicy {
	return call.RetryPolicy{
		MaxAttempts: attempts, InitialBackoff: 100 * time.Millisecond, MaxBackoff: time.Second, BackoffMultiplier: 1,
		Codes: []cqrpc.Code{cqrpc.CodeUnavailable},
	}
}

// The bounds of its back-off.
const (
	soonest = 80 * time.Millisecond
	latest  = 120 * time.Millisecond
)

const attemptsField = "grpc-previous-rpc-attempts"

func TestRetry(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		var trailer cqrpc.Metadata
		r := s.unary(s.Context(), "a", TrailerTo(&trailer))
		if f := wantCall(p, "sent", 1, unaryMethod.Name, "a"); len(f.Values(attemptsField)) != 0 {
			s.Errorf("the first attempt has %s", attemptsField)
		}
		p.TrailersOnly(1, 14, "t", "1")
		s.advance(soonest - time.Millisecond)
		p.WantIdle("it waits for the back-off")
		s.advance(latest - soonest + time.Millisecond)
		wantCall(p, "sent again", 3, unaryMethod.Name, "a", attemptsField, "1")
		s.wantResting("it is in progress", 0)
		p.TrailersOnly(3, 14, "t", "2", "grpc-retry-pushback-ms", "7000")
		s.advance(7*time.Second - 1)
		p.WantIdle("the server wants it later")
		s.advance(1)
		wantCall(p, "sent again", 5, unaryMethod.Name, "a", attemptsField, "2")
		p.Response(5)
		p.WriteMessage(5, false, []byte("b"))
		p.Trailers(5, 0, "t", "3")
		s.wantOK("answered", r, "b")
		if len(trailer) != 1 || trailer.Get("t") != "3" {
			s.Errorf("trailer = %v", trailer)
		}
	}, WithRetry(policyOf(3)))
}

func TestRetryEndsWithTheLastAttempt(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		r := s.unary(s.Context(), "a")
		for i := range uint32(2) {
			wantCall(p, "sent", 2*i+1, unaryMethod.Name, "a")
			p.TrailersOnly(2*i+1, 14, "grpc-message", fmt.Sprint("busy ", i))
			s.advance(latest)
		}
		s.wantFailed("as the policy says", r, cqrpc.CodeUnavailable, "busy 1")
		p.WantIdle("no other attempt")
	}, WithRetry(policyOf(2)))
}

// A stream that was lost with its connection is repeated on the next one, whatever its shape,
// with what was sent on it.
func TestRetryOfStreams(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.bidiStream()
		send := func(text string) { s.wantDone("Send", func() error { return stream.Send(message(text)) }) }
		p.WantRequest("opened", 1, bidiMethod.Name)
		send("1")
		send("2")
		p.WantMessage("sent", 1, false, []byte("1"))
		p.WantMessage("sent", 1, false, []byte("2"))
		p.Close()
		s.advance(latest)
		p = s.server("it wants a connection")
		p.WantRequest("opened again", 1, bidiMethod.Name, attemptsField, "1")
		p.WantMessage("sent again", 1, false, []byte("1"))
		p.WantMessage("sent again", 1, false, []byte("2"))
		send("3")
		s.wantDone("CloseSend", stream.CloseSend)
		p.WantMessage("and more", 1, true, []byte("3"))
		p.Response(1)
		p.WriteMessage(1, false, []byte("x"))
		s.advance(lasting)
		p.Close()
		if m, err := stream.Recv(); err != nil || string(*m) != "x" {
			s.Errorf("received %v, %v", m, err)
		}
		_, err := stream.Recv()
		s.wantError("the server had answered", err, cqrpc.CodeUnavailable)
	}, WithRetry(policyOf(3), bidiMethod.Name))
}

// wantResting checks how many resting calls the channel knows of.
func (s *scene) wantResting(why string, n int) {
	s.Helper()
	synctest.Wait()
	s.ch.mu.Lock()
	defer s.ch.mu.Unlock()
	if got := len(s.ch.resting); got != n {
		s.Errorf("%s: %d calls rest, want %d", why, got, n)
	}
}

// A call may end before the channel is told that it rests.
func TestRestOfACallThatIsOver(t *testing.T) {
	play(t, func(s *scene) {
		c := s.ch.NewCall(cq.Discard, unaryMethod.Name)
		c.Cancel()
		(*opener)(s.ch).Rest(c)
		s.wantResting("it is over", 0)
	})
}

// wantDone wants f to return, without an error, once nothing moves.
func (s *scene) wantDone(why string, f func() error) {
	s.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	synctest.Wait()
	select {
	case err := <-done:
		if err != nil {
			s.Fatalf("%s: %v", why, err)
		}
	default:
		s.Fatalf("%s: it does not return; %v", why, s.ch)
	}
}

// Where there is no connection calls fail, and are repeated; those that wait for one do.
func TestRetryWithoutConnection(t *testing.T) {
	play(t, func(s *scene) {
		s.onDial(func(context.Context) error { return errors.New("refused") })
		r := s.unary(s.Context(), "a")
		patient := s.unary(s.Context(), "b", WithWaitForReady(true))
		s.wantState("nobody is there", TransientFailure)
		s.wantPending("it is repeated", r)
		s.onDial(nil)
		s.accepted = 1
		s.ch.ResetBackoff()
		p := s.server("now there is")
		wantCall(p, "it waited", 1, unaryMethod.Name, "b")
		answer(p, 1, "B")
		s.advance(latest)
		wantCall(p, "sent again", 3, unaryMethod.Name, "a", attemptsField, "1")
		answer(p, 3, "A")
		s.wantOK("answered", r, "A")
		s.wantOK("answered", patient, "B")
	}, WithRetry(policyOf(2)))
	play(t, func(s *scene) {
		s.onDial(func(context.Context) error { return errors.New("refused") })
		r := s.unary(s.Context(), "a")
		s.advance(4 * latest)
		s.wantFailed("five attempts", r, cqrpc.CodeUnavailable, "refused")
	}, WithRetry(policyOf(5)))
}

// Close ends what rests at once, and what asks for a stream afterwards.
func TestCloseDuringRetryBackoff(t *testing.T) {
	policy := policyOf(3)
	policy.InitialBackoff, policy.MaxBackoff = time.Hour, time.Hour
	play(t, func(s *scene) {
		p := s.connected()
		r := s.unary(s.Context(), "a")
		wantCall(p, "sent", 1, unaryMethod.Name, "a")
		inProgress := s.unary(s.Context(), "b")
		wantCall(p, "sent", 3, unaryMethod.Name, "b")
		p.TrailersOnly(1, 14)
		s.wantPending("it rests", r)
		s.ch.Close()
		for _, r := range []*result{r, inProgress, s.unary(s.Context(), "c")} {
			s.wantFailed("closed", r, cqrpc.CodeUnavailable)
			if !errors.Is(r.err, ErrChannelClosed) {
				s.Errorf("the error is %v", r.err)
			}
		}
	}, WithRetry(policy))
}

// A context that ends ends the call while it rests, and nothing of it is left.
func TestCancelDuringRetryBackoff(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		ctx, cancel := context.WithCancel(s.Context())
		r := s.unary(ctx, "a")
		wantCall(p, "sent", 1, unaryMethod.Name, "a")
		p.TrailersOnly(1, 14, "grpc-message", "busy")
		s.wantPending("it rests", r)
		s.wantResting("for Close", 1)
		cancel()
		s.wantFailed("cancelled", r, cqrpc.CodeCanceled, "busy")
		if !errors.Is(r.err, context.Canceled) {
			s.Errorf("the error is %v", r.err)
		}
		timely := s.unary(s.Context(), "b", WithDeadline(time.Now().Add(time.Second)))
		wantCall(p, "sent", 3, unaryMethod.Name, "b")
		p.TrailersOnly(3, 14, "grpc-message", "busy", "grpc-retry-pushback-ms", "5000")
		s.advance(time.Second)
		s.wantFailed("too late", timely, cqrpc.CodeDeadlineExceeded, "busy")
		s.wantResting("they have ended", 0)
		s.advance(time.Minute)
		p.WantIdle("no other attempt")
	}, WithRetry(policyOf(3)))
}

// One bucket for the channel: what fails of one method keeps another's calls from being repeated.
func TestRetryThrottling(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		id := uint32(1)
		fail := func(path string, r *result) {
			wantCall(p, "sent", id, path, "a")
			p.TrailersOnly(id, 14)
			id += 2
			s.advance(latest)
		}
		r := s.unary(s.Context(), "a")
		fail(unaryMethod.Name, r)
		s.wantPending("three of four", r)
		fail(unaryMethod.Name, r)
		s.wantFailed("two of four", r, cqrpc.CodeUnavailable)
		r = s.unary(s.Context(), "a")
		fail(unaryMethod.Name, r)
		s.wantFailed("one of four", r, cqrpc.CodeUnavailable)
		for range 3 {
			r = s.unary(s.Context(), "a", WithCallRetry(call.RetryPolicy{}))
			wantCall(p, "sent", id, unaryMethod.Name, "a")
			answer(p, id, "b")
			id += 2
			s.wantOK("answered", r, "b")
		}
		r = s.unary(s.Context(), "a")
		fail(unaryMethod.Name, r)
		s.wantPending("three of four again", r)
		wantCall(p, "sent", id, unaryMethod.Name, "a")
		answer(p, id, "b")
		s.wantOK("answered", r, "b")
	}, WithRetry(policyOf(5)), WithRetryThrottling(call.RetryThrottling{MaxTokens: 4, TokenRatio: 1}))
}

// Which policy a call has.
func TestRetryPolicies(t *testing.T) {
	const method, other = "/test.Echo/Unary", "/test.Echo/Other"
	attempts := func(n int) CallOption { return WithCallRetry(policyOf(n)) }
	for _, tt := range []struct {
		name   string
		opts   []Option
		call   []CallOption
		method string
		want   int
	}{
		{"none", nil, nil, method, 0},
		{"of all methods", []Option{WithRetry(policyOf(3))}, nil, method, 3},
		{"of the method", []Option{WithRetry(policyOf(3), other, method)}, nil, method, 3},
		{"of another", []Option{WithRetry(policyOf(3), other)}, nil, method, 0},
		{"of the service", []Option{WithRetry(policyOf(3), "/test.Echo/")}, nil, method, 3},
		{"of another service", []Option{WithRetry(policyOf(3), "/test.Echoes/")}, nil, method, 0},
		{"the closest", []Option{
			WithRetry(policyOf(2), method), WithRetry(policyOf(3), "/test.Echo/"), WithRetry(policyOf(4)),
		}, nil, method, 2},
		{"the closer", []Option{
			WithRetry(policyOf(2), method), WithRetry(policyOf(3), "/test.Echo/"), WithRetry(policyOf(4)),
		}, nil, other, 3},
		{"the later", []Option{WithRetry(policyOf(2), method), WithRetry(policyOf(3), method)}, nil, method, 3},
		{"none for one", []Option{WithRetry(call.RetryPolicy{}, method), WithRetry(policyOf(3))}, nil, method, 0},
		{"the call's", []Option{WithRetry(policyOf(3))}, []CallOption{attempts(4)}, method, 4},
		{"none for the call", []Option{WithRetry(policyOf(3))}, []CallOption{WithCallRetry(call.RetryPolicy{})}, method, 0},
		{"a default", []Option{WithDefaultCallOptions(attempts(4))}, nil, method, 4},
		{"before a default", []Option{WithDefaultCallOptions(attempts(4)), WithRetry(policyOf(3), method)}, nil, method, 3},
		{"no name at all", []Option{WithRetry(policyOf(3), method)}, nil, "", 0},
	} {
		ch, err := NewChannel("mem.test", append(tt.opts, WithInsecure())...)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := 0
		if p := ch.callConfig(tt.method, tt.call).Retry; p != nil {
			got = p.MaxAttempts
		}
		if got != tt.want {
			t.Errorf("%s: a policy of %d attempts, want %d", tt.name, got, tt.want)
		}
		ch.Close()
	}
}

func TestRetryRefusals(t *testing.T) {
	broken := policyOf(1)
	for _, opt := range []Option{
		WithRetry(broken), WithRetry(policyOf(2), "Echo"), WithRetry(policyOf(2), "/"), WithRetry(policyOf(2), "//"),
		WithRetry(policyOf(2), "/test.Echo"), WithRetry(policyOf(2), "test.Echo/"), WithRetry(policyOf(2), "/a/b/"),
		WithRetryThrottling(call.RetryThrottling{MaxTokens: 1}),
	} {
		if ch, err := NewChannel("mem.test", WithInsecure(), opt); err == nil {
			t.Errorf("%v has a policy that is wrong", ch)
			ch.Close()
		}
	}
	play(t, func(s *scene) {
		s.wantFailed("a call with such a policy", s.unary(s.Context(), "a", WithCallRetry(broken)), cqrpc.CodeInternal,
			"MaxAttempts")
	})
}

// What an option was given is the caller's again.
func TestRetryPolicyIsCopied(t *testing.T) {
	policy := policyOf(2)
	opt := WithCallRetry(policy)
	policy.Codes[0] = cqrpc.CodeAborted
	var cfg callConfig
	opt.applyCall(&cfg)
	if cfg.Retry.Codes[0] != cqrpc.CodeUnavailable {
		t.Error("the option has changed")
	}
}

// The batch level has it, too, and all its events come once.
func TestRetryOfBatches(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		q := cq.New()
		m, err := s.ch.RegisterMethod(unaryMethod.Name, "")
		if err != nil {
			s.Fatal(err)
		}
		c := m.NewCall(q)
		req, res := []byte("a"), []byte(nil)
		var st cqrpc.Status
		start := func(tag string, ops ...call.Op) {
			if err := c.StartBatch(ops, tag); err != nil {
				s.Fatal(err)
			}
		}
		start("sends", call.SendInitialMetadata(nil), call.SendValue(&req), call.SendClose())
		start("rest", call.RecvInitialMetadata(nil), call.RecvValue(&res, nil), call.RecvStatus(&st, nil))
		wantCall(p, "sent", 1, unaryMethod.Name, "a")
		s.wantEvent("sent", q, "sends", true)
		p.WriteRST(1, http2.ErrCodeRefusedStream)
		wantCall(p, "the server has not seen it", 3, unaryMethod.Name, "a")
		p.WriteRST(3, http2.ErrCodeRefusedStream)
		s.wantNoEvent("it rests", q)
		s.advance(latest)
		wantCall(p, "sent again", 5, unaryMethod.Name, "a", attemptsField, "1")
		answer(p, 5, "b")
		s.wantEvent("answered", q, "rest", true)
		if st.Code != cqrpc.CodeOK || string(res) != "b" {
			s.Errorf("%v, %q", st, res)
		}
		c.Close()
		q.Shutdown()
	}, WithRetry(policyOf(2)))
}
