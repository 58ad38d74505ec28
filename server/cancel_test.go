package server_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// fate is what a handler saw of its call's end.
type fate struct {
	ctx, recv, send, derived error
}

// doomed is a bidi handler that waits for the end of its call in every way.
func doomed(fates chan<- fate) server.Handler {
	return server.BidiStream(bidi, func(ctx context.Context, in *server.Receiver[text], out *server.Sender[text]) error {
		derived, cancel := context.WithCancel(ctx)
		defer cancel()
		var f fate
		_, f.recv = in.Recv()
		<-ctx.Done()
		<-derived.Done()
		f.ctx, f.derived = ctx.Err(), derived.Err()
		for f.send == nil { // the first may still be accepted, nothing is waited for yet
			f.send = out.Send(&text{})
		}
		fates <- f
		return nil
	})
}

// TestCallDies: whatever ends a call ends its handler's waits and context, and
// nothing more is sent.
func TestCallDies(t *testing.T) {
	tests := []struct {
		name   string
		kill   func(x *site, p peer)
		ctx    error
		code   cqrpc.Code
		isOver bool // the connection, too
	}{
		{"client resets", func(_ *site, p peer) { p.WriteRST(1, http2.ErrCodeCancel) },
			context.Canceled, cqrpc.CodeCanceled, false},
		{"deadline", func(_ *site, p peer) {
			p.Advance(5 * time.Second)
			p.WantTrailers("the client is told", 1, 4)
			p.WantRST("and asked to stop", 1, http2.ErrCodeNo)
		}, context.DeadlineExceeded, cqrpc.CodeDeadlineExceeded, false},
		{"connection is lost", func(_ *site, p peer) { p.Close() },
			context.Canceled, cqrpc.CodeUnavailable, true},
		{"client breaks a rule of gRPC", func(_ *site, p peer) {
			p.WriteData(1, false, []byte{7, 0, 0, 0, 0})
			p.WantTrailers("an unknown flag", 1, 13)
			p.WantRST("and asked to stop", 1, http2.ErrCodeNo)
		}, context.Canceled, cqrpc.CodeInternal, false},
		{"all calls are cancelled", func(x *site, p peer) {
			x.server.CancelAllCalls()
			p.WantGoAway("the connection is closed", http2.ErrCodeNo)
			p.Close()
		}, context.Canceled, cqrpc.CodeUnavailable, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				fates := make(chan fate, 1)
				x := serveHandlers(t, doomed(fates))
				p := x.dial()
				p.Request(1, bidi.Name, "grpc-timeout", "5S")
				p.WantIdle("the handler waits")
				test.kill(x, p)
				f := <-fates
				if f.ctx != test.ctx || f.derived != test.ctx {
					t.Errorf("ctx ended with %v, a derived one with %v; want %v", f.ctx, f.derived, test.ctx)
				}
				if cqrpc.CodeOf(f.recv) != test.code || cqrpc.CodeOf(f.send) != test.code {
					t.Errorf("Recv: %v, Send: %v; want %v", f.recv, f.send, test.code)
				}
				if errors.Is(f.recv, io.EOF) {
					t.Error("Recv took the end of the call for the end of the messages")
				}
				if !test.isOver {
					p.WantIdle("nothing is sent of a call that is over")
				}
			})
		})
	}
}

// TestContextOfReturnedHandler: what a handler started and forgot is told.
func TestContextOfReturnedHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var left context.Context
		ended := make(chan struct{})
		x := serveHandlers(t, server.Unary(unary, func(ctx context.Context, _ *text) (*text, error) {
			left = ctx
			context.AfterFunc(ctx, func() { close(ended) })
			if stop := context.AfterFunc(ctx, func() { t.Error("a stopped function ran") }); !stop() {
				t.Error("stop failed")
			}
			if ctx.Err() != nil {
				t.Error("the context has ended too early")
			}
			return &text{}, nil
		}))
		p := x.dial()
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, nil)
		p.WantResponse("the response", 1)
		<-ended
		<-left.Done()
		if !errors.Is(left.Err(), context.Canceled) {
			t.Errorf("ended with %v", left.Err())
		}
		late := make(chan struct{})
		context.AfterFunc(left, func() { close(late) })
		<-late
	})
}

// TestFlowControlHoldsHandler: a client that does not read stops its handler
// when the window, the write buffer and two messages are used up.
func TestFlowControlHoldsHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sent := 0
		x := serveHandlers(t, server.ServerStream(serverStream,
			func(_ context.Context, _ *text, out *server.Sender[text]) error {
				for range 10 {
					if err := out.Send(&text{Value: string(make([]byte, 40000))}); err != nil {
						return err
					}
					sent++
				}
				return nil
			}))
		p := x.dial()
		p.Request(1, serverStream.Name)
		p.WriteMessage(1, true, nil)
		synctest.Wait()
		const window, buffer = 65535, 64 << 10
		if most := (window+buffer)/40000 + 2; sent > most {
			t.Errorf("%d messages of 40000 bytes were sent into a window of 65535; want %d at most", sent, most)
		}
		p.WriteWindowUpdate(0, 1<<20)
		p.WriteWindowUpdate(1, 1<<20)
		synctest.Wait()
		if sent != 10 {
			t.Errorf("%d of 10 messages were sent", sent)
		}
	})
}

// TestHandlersAreCounted: a call that was reset counts until its handler has
// returned, so resets do not make room for more work (CVE-2023-44487).
func TestHandlersAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		running := 0
		s := server.New(server.WithTransport(transport.Config{MaxConcurrentStreams: 2}))
		err := s.Register(server.Unary(unary, func(context.Context, *text) (*text, error) {
			running++
			<-release // deaf to its context
			return &text{}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		for _, id := range []uint32{1, 3} {
			p.Request(id, unary.Name)
			p.WriteMessage(id, true, nil)
			synctest.Wait()
			p.WriteRST(id, http2.ErrCodeCancel)
		}
		p.Request(5, unary.Name)
		p.WantRST("both handlers still run", 5, http2.ErrCodeRefusedStream)
		if running != 2 {
			t.Errorf("%d handlers run", running)
		}
		close(release)
		synctest.Wait()
		p.Request(7, unary.Name)
		p.WriteMessage(7, true, nil)
		p.WantResponse("now there is room", 7)
	})
}

// TestCallsBeyondTheirDeadlines: a client whose calls all run out of time, because the server is slow, keeps its
// connection however many they are; one that gives up at once is no such client, whatever its time limits.
func TestCallsBeyondTheirDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := server.New()
		slow := func(ctx context.Context, _ *text) (*text, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		if err := s.Register(server.BidiStream(bidi, shout), server.Unary(unary, slow)); err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.Request(1, bidi.Name)
		p.Ignore(http2.FrameHeaders)
		id := uint32(3)
		for range 4 {
			first := id
			for ; id < first+1000; id += 2 {
				p.Request(id, unary.Name, "grpc-timeout", "20m")
				p.WriteMessage(id, true, nil)
			}
			p.Advance(20*time.Millisecond - 1) // the client's clock began a moment before
			for given := first; given < id; given += 2 {
				p.WriteRST(given, http2.ErrCodeCancel)
			}
		}
		p.WriteMessage(1, false, encoded("a"))
		p.WantMessage("2000 calls have run out of time, and a stream beside them goes on", 1, false, encoded("A"))
		for last := id + 2*1100; id < last; id += 2 {
			p.Request(id, unary.Name, "grpc-timeout", "20m")
			p.WriteRST(id, http2.ErrCodeCancel)
		}
		p.WantGoAway("this is rapid reset (CVE-2023-44487)", http2.ErrCodeEnhanceYourCalm)
	})
}

// TestHandlersThatIgnoreTheirContexts: handlers that outlive the deadlines of their calls use up the
// room, and an honest client goes on calling. That costs it those calls and not the
// connection, with all that goes well on it.
func TestHandlersThatIgnoreTheirContexts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		s := server.New(server.WithTransport(transport.Config{MaxConcurrentStreams: 10}))
		err := s.Register(server.BidiStream(bidi, shout), server.Unary(unary, func(context.Context, *text) (*text, error) {
			<-release
			return &text{}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		defer close(release)
		p.Request(1, bidi.Name)
		for id := uint32(3); id < 21; id += 2 {
			p.Request(id, unary.Name, "grpc-timeout", "1S")
			p.WriteMessage(id, true, nil)
		}
		p.Ignore(http2.FrameHeaders, http2.FrameRSTStream)
		p.Advance(time.Second)
		for id := uint32(21); id < 24021; id += 2 {
			p.Request(id, unary.Name, "grpc-timeout", "1S")
		}
		p.WriteMessage(1, true, encoded("a"))
		p.WantMessage("the stream beside them goes on", 1, false, encoded("A"))
	})
}

func TestMaxHandlers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := server.New(server.WithMaxHandlers(1))
		if err := s.Register(server.BidiStream(bidi, shout)); err != nil {
			t.Fatal(err)
		}
		x := serve(t, s)
		p, q := x.dial(), x.dial()
		p.Request(1, bidi.Name)
		p.WantIdle("the handler waits")
		q.Request(1, bidi.Name)
		q.WantRST("one handler is enough, over all connections", 1, http2.ErrCodeRefusedStream)
		p.WriteData(1, true, nil)
		p.WantTrailers("the first is done", 1, 0)
		q.Request(3, bidi.Name)
		q.WriteData(3, true, nil)
		q.WantTrailers("the next can be", 3, 0)
	})
}

// TestAnsweredCallIsNotCounted: a client at its limit opens the next stream when
// it has read the status, whatever the server still has to do for the last one.
func TestAnsweredCallIsNotCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		s := server.New(server.WithMaxHandlers(1), server.WithPanicHandler(func(string, any, []byte) { <-release }))
		if err := s.Register(server.BidiStream(bidi, shout), server.Unary(unary, func(context.Context, *text) (*text, error) {
			panic("on purpose")
		})); err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, nil)
		p.WantHeaders("the panic is the answer", 1, true, "grpc-status", "13")
		p.Request(3, bidi.Name)
		p.WriteData(3, true, nil)
		p.WantTrailers("the next one is within the limit", 3, 0)
		close(release)
	})
}

// A request is one message and the half-close. A call that dies between them,
// found dead by whatever goroutine, does not reach the application.
func TestRequestThatDiesBeforeHalfClose(t *testing.T) {
	for name, kill := range map[string]func(p peer){
		"reset": func(p peer) { p.WriteRST(1, http2.ErrCodeCancel) },
		"lost":  func(p peer) { p.Close() },
		"silent": func(p peer) {
			p.Advance(10 * time.Second)
			p.WantGoAway("dead (gRFC A8)", http2.ErrCodeEnhanceYourCalm)
			p.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, q := queued(t, server.WithTransport(transport.Config{
					Keepalive: transport.Keepalive{Time: 2 * time.Second, Timeout: time.Second},
				}))
				m := method(t, s, unary.Name, server.PayloadOnly)
				err := s.Register(server.ServerStream(serverStream, func(context.Context, *text, *server.Sender[text]) error {
					t.Error("the handler runs for half a request")
					return nil
				}))
				if err != nil {
					t.Fatal(err)
				}
				p := serve(t, s).dial()
				ask(t, s, m, q, "request")
				p.Request(1, unary.Name)
				p.WriteMessage(1, false, encoded("half"))
				if name != "reset" {
					p.Request(3, serverStream.Name)
					p.WriteMessage(3, false, encoded("half"))
				}
				p.WantIdle("the client has not half-closed")
				kill(p)
				wantNoTag(t, q)
			})
		})
	}
}

// TestUnreadOfACancelledCall: what a cancelled call has sent is given up at once, although its
// handler has not noticed yet, and will not read it.
func TestUnreadOfACancelledCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		block := make(chan struct{})
		x := serveHandlers(t, server.BidiStream(bidi,
			func(context.Context, *server.Receiver[text], *server.Sender[text]) error {
				<-block
				return nil
			}))
		p := x.dial()
		p.Request(1, bidi.Name)
		for range 3 {
			p.WriteMessage(1, false, make([]byte, 16000))
		}
		synctest.Wait()
		before := x.server.Stats().Unread
		p.WriteRST(1, http2.ErrCodeCancel)
		synctest.Wait()
		if after := x.server.Stats().Unread; before == 0 || after != 0 {
			t.Errorf("%d bytes were unread, %d are", before, after)
		}
		close(block)
	})
}
