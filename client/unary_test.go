package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/internal/h2peer"
)

func TestUnaryOutParameters(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		var header, trailer cqrpc.Metadata
		var peer call.Peer
		opts := []CallOption{HeaderTo(&header), TrailerTo(&trailer), PeerTo(&peer)}
		r := s.unary(s.Context(), "a", opts...)
		wantCall(p, "sent", 1, unaryMethod.Name, "a")
		p.Response(1, "h", "1", "h", "2", "raw-bin", "AP8=")
		p.WriteMessage(1, false, []byte("b"))
		p.Trailers(1, 0, "t", "3")
		s.wantOK("answered", r, "b")
		if h := header.Values("h"); len(h) != 2 || h[0] != "1" || h[1] != "2" || header.Get("raw-bin") != "\x00\xff" {
			s.Errorf("header = %#v", header)
		}
		if trailer.Get("t") != "3" || len(trailer) != 1 {
			s.Errorf("trailer = %#v", trailer)
		}
		if peer.String() != "mem:server" {
			s.Errorf("peer = %v", peer)
		}

		r = s.unary(s.Context(), "a", opts...)
		wantCall(p, "sent", 3, unaryMethod.Name, "a")
		p.TrailersOnly(3, 5, "grpc-message", "no such thing", "t", "4")
		s.wantFailed("refused", r, cqrpc.CodeNotFound)
		if len(header) != 0 || trailer.Get("t") != "4" {
			s.Errorf("after a failed call: header = %#v, trailer = %#v", header, trailer)
		}
	})
}

// Invoke is a unary call whose types are known when it runs.
func TestInvoke(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		var req, res any = new([]byte("a")), new([]byte)
		var header cqrpc.Metadata
		done := make(chan error, 1)
		invoke := func() { done <- Invoke(s.Context(), s.ch, unaryMethod.Name, req, res, HeaderTo(&header)) }
		go invoke()
		wantCall(p, "sent", 1, unaryMethod.Name, "a")
		p.Response(1, "h", "1")
		p.WriteMessage(1, false, []byte("b"))
		p.Trailers(1, 0)
		if err := <-done; err != nil || string(*res.(*[]byte)) != "b" || header.Get("h") != "1" {
			s.Errorf("the call gave %v, %q and %#v", err, res, header)
		}
		go invoke()
		wantCall(p, "sent", 3, unaryMethod.Name, "a")
		p.TrailersOnly(3, 5)
		if err := <-done; cqrpc.CodeOf(err) != cqrpc.CodeNotFound {
			s.Errorf("error %v; want NOT_FOUND", err)
		}
	})
}

func TestUnaryStatus(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		r := s.unary(s.Context(), "a")
		wantCall(p, "sent", 1, unaryMethod.Name, "a")
		// google.rpc.Status{code: 3, message: "m", details: [{type_url: "t/x", value: "v"}]}
		p.TrailersOnly(1, 3, "grpc-message", "caf%C3%A9", "grpc-status-details-bin", "CAMSAW0aCAoDdC94EgF2")
		s.wantFailed("refused", r, cqrpc.CodeInvalidArgument, "INVALID_ARGUMENT: café")
		var e *cqrpc.Error
		if !errors.As(r.err, &e) || e.Origin != cqrpc.OriginRemote {
			s.Errorf("the error is %#v; want it to come from the peer", r.err)
		}
		if d := cqrpc.StatusOf(r.err).Details; len(d) != 1 || d[0].GetTypeUrl() != "t/x" || string(d[0].GetValue()) != "v" {
			s.Errorf("details = %v", d)
		}
	})
}

// What a server does after it was sent "a" on stream 1, and how the call ends.
func TestUnaryResponses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(p *h2peer.Peer)
		code   cqrpc.Code
		words  string
	}{
		{"two messages", func(p *h2peer.Peer) {
			p.Response(1)
			p.WriteMessage(1, false, []byte("b"))
			p.WriteMessage(1, false, []byte("c"))
			p.Trailers(1, 0)
		}, cqrpc.CodeUnimplemented, "more than one message"},
		{"two messages, no end", func(p *h2peer.Peer) {
			p.Response(1)
			p.WriteMessage(1, false, []byte("b"))
			p.WriteMessage(1, false, []byte("c"))
		}, cqrpc.CodeUnimplemented, "more than one message"},
		{"OK without a message", func(p *h2peer.Peer) {
			p.Response(1)
			p.Trailers(1, 0)
		}, cqrpc.CodeUnimplemented, "without the message"},
		{"OK as Trailers-Only", func(p *h2peer.Peer) { p.TrailersOnly(1, 0) }, cqrpc.CodeUnimplemented,
			"without the message"},
		{"an error after a message", func(p *h2peer.Peer) {
			p.Response(1)
			p.WriteMessage(1, false, []byte("b"))
			p.Trailers(1, 10, "grpc-message", "rolled back")
		}, cqrpc.CodeAborted, "rolled back"},
		{"a message too large", func(p *h2peer.Peer) {
			p.Response(1)
			p.WriteMessage(1, false, []byte("12345678901"))
		}, cqrpc.CodeResourceExhausted, "11 vs. 10"},
		{"END_STREAM without trailers", func(p *h2peer.Peer) {
			p.Response(1)
			p.WriteData(1, true, h2peer.Message([]byte("b")))
		}, cqrpc.CodeInternal, "without trailers"},
		{"a message cut short", func(p *h2peer.Peer) {
			p.Response(1)
			p.WriteData(1, false, h2peer.Message([]byte("bcd"))[:6])
			p.Trailers(1, 0)
		}, cqrpc.CodeInternal, "inside a message"},
		{"trailers without a status", func(p *h2peer.Peer) {
			p.Response(1)
			p.WriteMessage(1, false, []byte("b"))
			p.WriteHeaders(1, true, "t", "1")
		}, cqrpc.CodeUnknown, "No status"},
		{"an unknown encoding", func(p *h2peer.Peer) { p.Response(1, "grpc-encoding", "zstd") }, cqrpc.CodeInternal, "zstd"},
		{"another content-type", func(p *h2peer.Peer) {
			p.WriteHeaders(1, false, ":status", "200", "content-type", "text/html")
			p.WriteData(1, true, []byte("welcome"))
		}, cqrpc.CodeUnknown, `"text/html", not application/grpc: "welcome"`},
		{"HTTP 400", httpError("400"), cqrpc.CodeInternal, "status: 400"},
		{"HTTP 401", httpError("401"), cqrpc.CodeUnauthenticated, "status: 401"},
		{"HTTP 403", httpError("403"), cqrpc.CodePermissionDenied, "status: 403"},
		{"HTTP 404", httpError("404"), cqrpc.CodeUnimplemented, "status: 404"},
		{"HTTP 429", httpError("429"), cqrpc.CodeUnavailable, "status: 429"},
		{"HTTP 502", httpError("502"), cqrpc.CodeUnavailable, "status: 502"},
		{"HTTP 503", httpError("503"), cqrpc.CodeUnavailable, "status: 503"},
		{"HTTP 504", httpError("504"), cqrpc.CodeUnavailable, "status: 504"},
		{"HTTP 418", httpError("418"), cqrpc.CodeUnknown, "status: 418"},
		{"RST_STREAM CANCEL", reset(http2.ErrCodeCancel), cqrpc.CodeCanceled, "CANCEL"},
		{"RST_STREAM ENHANCE_YOUR_CALM", reset(http2.ErrCodeEnhanceYourCalm), cqrpc.CodeResourceExhausted, "CALM"},
		{"RST_STREAM INADEQUATE_SECURITY", reset(http2.ErrCodeInadequateSecurity), cqrpc.CodePermissionDenied,
			"SECURITY"},
		{"RST_STREAM INTERNAL_ERROR", reset(http2.ErrCodeInternal), cqrpc.CodeInternal, "INTERNAL_ERROR"},
		{"RST_STREAM unknown", reset(999), cqrpc.CodeInternal, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(s *scene) {
				p := s.connected()
				r := s.unary(s.Context(), "a", WithMaxRecvMessage(10))
				wantCall(p, "sent", 1, unaryMethod.Name, "a")
				tt.answer(p)
				s.wantFailed(tt.name, r, tt.code, tt.words)
				p.Ignore(http2.FrameRSTStream)
				r = s.unary(s.Context(), "next")
				wantCall(p, "the connection goes on", 3, unaryMethod.Name, "next")
				answer(p, 3, "fine")
				s.wantOK("the connection goes on", r, "fine")
			})
		})
	}
}

// Proxies of nghttp2 take more than a thousand resets at once for an attack, and end the connection: so a page that
// says why nothing works must not cost one for each call.
func TestErrorPagesCostNoResets(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		const calls = 10
		var results [calls]*result
		for i := range results {
			results[i] = s.unary(s.Context(), "a")
			wantCall(p, "sent", uint32(2*i+1), unaryMethod.Name, "a")
		}
		for i := range results {
			p.WriteHeaders(uint32(2*i+1), false, ":status", "502", "content-type", "text/html")
		}
		p.WantIdle("the pages have not been read")
		for i, r := range results {
			p.WriteData(uint32(2*i+1), true, []byte("<h1>Bad Gateway</h1>"))
			s.wantFailed("the page has been read", r, cqrpc.CodeUnavailable, `status: 502: "<h1>Bad Gateway</h1>"`)
		}
		p.WantIdle("streams that have ended are not reset")
	})
}

func httpError(status string) func(*h2peer.Peer) {
	return func(p *h2peer.Peer) {
		p.WriteHeaders(1, false, ":status", status, "content-type", "text/html")
		p.WriteData(1, true, []byte("<html>"))
	}
}

func reset(code http2.ErrCode) func(*h2peer.Peer) {
	return func(p *h2peer.Peer) { p.WriteRST(1, code) }
}

func TestUnaryInformationalResponseIsPassedOver(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		r := s.unary(s.Context(), "a")
		wantCall(p, "sent", 1, unaryMethod.Name, "a")
		p.WriteHeaders(1, false, ":status", "103", "link", "x")
		answer(p, 1, "b")
		s.wantOK("answered", r, "b")
	})
}

func TestUnaryDeadline(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		ctx, cancel := context.WithTimeout(s.Context(), 3*time.Second)
		defer cancel()
		r := s.unary(ctx, "a")
		wantCall(p, "told how long", 1, unaryMethod.Name, "a", "grpc-timeout", "3S")
		s.advance(3*time.Second - 1)
		s.wantPending("a nanosecond is left", r)
		s.advance(1)
		s.wantFailed("time is up", r, cqrpc.CodeDeadlineExceeded)
		if !errors.Is(r.err, context.DeadlineExceeded) {
			s.Errorf("the error is %v; want context.DeadlineExceeded", r.err)
		}
		p.WantRST("the server is told", 1, http2.ErrCodeCancel)
	})
}

// negative_deadline: a deadline in the past needs no connection.
func TestUnaryDeadlineInThePast(t *testing.T) {
	play(t, func(s *scene) {
		r := s.unary(s.Context(), "a", WithDeadline(time.Now().Add(-time.Second)))
		s.wantFailed("at once", r, cqrpc.CodeDeadlineExceeded)
		ctx, cancel := context.WithDeadline(s.Context(), time.Now().Add(-time.Second))
		defer cancel()
		s.wantFailed("at once", s.unary(ctx, "a", WithWaitForReady(true)), cqrpc.CodeDeadlineExceeded)
		s.wantDials("nothing to send")
	})
}

// Of several deadlines the earliest counts; the zero time is none.
func TestEarliestDeadline(t *testing.T) {
	play(t, func(s *scene) {
		past, future := WithDeadline(time.Now().Add(-time.Second)), WithDeadline(time.Now().Add(time.Hour))
		for i, opts := range [][]CallOption{
			{past, future}, {future, past}, {past, WithDeadline(time.Time{})}, {WithDeadline(time.Time{}), past},
		} {
			s.wantFailed(fmt.Sprint(i), s.unary(s.Context(), "a", opts...), cqrpc.CodeDeadlineExceeded)
		}
	})
}

// cancel_before_invoke, cancel_after_invoke, cancel_after_accept.
func TestUnaryCancel(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		ctx, cancel := context.WithCancelCause(s.Context())
		left := errors.New("the user left")
		cancel(left)
		r := s.unary(ctx, "a")
		s.wantFailed("before the call", r, cqrpc.CodeCanceled, "the user left")
		if !errors.Is(r.err, left) {
			s.Errorf("before the call the error is %v; want the cause in it", r.err)
		}
		p.WantIdle("nothing to send")

		ctx, cancel = context.WithCancelCause(s.Context())
		r = s.unary(ctx, "a")
		wantCall(p, "sent", 1, unaryMethod.Name, "a")
		cancel(left)
		s.wantFailed("before the answer", r, cqrpc.CodeCanceled, "the user left")
		if !errors.Is(r.err, context.Canceled) || !errors.Is(r.err, left) {
			s.Errorf("the error is %v; want context.Canceled, and the cause", r.err)
		}
		p.WantRST("the server is told", 1, http2.ErrCodeCancel)
		answer(p, 1, "too late")

		ctx, cancel = context.WithCancelCause(s.Context())
		r = s.unary(ctx, "a")
		wantCall(p, "sent", 3, unaryMethod.Name, "a")
		p.Response(3)
		p.WriteMessage(3, false, []byte("b"))
		s.wantPending("no status yet", r)
		cancel(nil)
		s.wantFailed("within the answer", r, cqrpc.CodeCanceled)
		p.WantRST("the server is told", 3, http2.ErrCodeCancel)
	})
}

func TestUnaryMessageLimits(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		r := s.unary(s.Context(), "12345", WithMaxSendMessage(4))
		s.wantFailed("too large to send", r, cqrpc.CodeResourceExhausted, "5 vs. 4")
		p.WantIdle("nothing was sent")
		r = s.unary(s.Context(), "1234", WithMaxSendMessage(4), WithMaxRecvMessage(-1))
		wantCall(p, "just right", 1, unaryMethod.Name, "1234")
		large := strings.Repeat("x", 5<<20)
		answer(p, 1, large)
		s.wantOK("unlimited", r, large)
	}, bigWindows)
}

// bigWindows saves large messages the waits for flow control, which the
// scripted peer does not heed.
var bigWindows = optionFunc(func(c *config) {
	c.transport.InitialWindow, c.transport.InitialConnWindow = 16<<20, 16<<20
})

// A value that the codec cannot marshal fails the call before it is sent; one
// that it cannot unmarshal ends a call that was OK so far.
func TestUnaryCodecErrors(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		number, text := 1, []byte("a")
		_, err := Unary(s.Context(), s.ch, call.Method[int, []byte]{Name: "/test.Echo/Unary"}, &number)
		s.wantError("int cannot be sent", err, cqrpc.CodeInternal, "*int")
		p.WantIdle("nothing was sent")
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, err = Unary(s.Context(), s.ch, call.Method[[]byte, int]{Name: "/test.Echo/Unary"}, &text)
		}()
		wantCall(p, "sent", 1, unaryMethod.Name, "a")
		answer(p, 1, "b")
		<-done
		s.wantError("int cannot be received", err, cqrpc.CodeInternal, "*int")
	})
}

// A child call takes its parent's deadline over and ends with it.
func TestUnaryOfAParent(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		parent := s.ch.NewCall(nil, unaryMethod.Name, WithDeadline(time.Now().Add(9*time.Second)))
		r := s.unary(s.Context(), "a", WithParent(parent, 0))
		wantCall(p, "the parent's deadline", 1, unaryMethod.Name, "a", "grpc-timeout", "9S")
		parent.Cancel()
		s.wantFailed("the parent ended", r, cqrpc.CodeCanceled, "parent")
		p.WantRST("the server is told", 1, http2.ErrCodeCancel)
	})
}
