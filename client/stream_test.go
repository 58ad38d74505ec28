package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
)

// opened unwraps what starts a stream.
func opened[S any](s *scene) func(stream S, err error) S {
	return func(stream S, err error) S {
		s.Helper()
		if err != nil {
			s.Fatal("open:", err)
		}
		synctest.Wait()
		return stream
	}
}

func (s *scene) serverStream(req string, opts ...CallOption) *ServerStreamCall[[]byte] {
	s.Helper()
	b := []byte(req)
	return opened[*ServerStreamCall[[]byte]](s)(ServerStream(s.Context(), s.ch, serverMethod, &b, opts...))
}

func (s *scene) clientStream(opts ...CallOption) *ClientStreamCall[[]byte, []byte] {
	s.Helper()
	return opened[*ClientStreamCall[[]byte, []byte]](s)(ClientStream(s.Context(), s.ch, clientMethod, opts...))
}

func (s *scene) bidiStream(opts ...CallOption) *BidiStreamCall[[]byte, []byte] {
	s.Helper()
	return opened[*BidiStreamCall[[]byte, []byte]](s)(BidiStream(s.Context(), s.ch, bidiMethod, opts...))
}

func message(text string) *[]byte {
	b := []byte(text)
	return &b
}

// wantRecv wants recv to return this message.
func (s *scene) wantRecv(why string, recv func() (*[]byte, error), want string) {
	s.Helper()
	got, err := recv()
	if err != nil || string(*got) != want {
		s.Fatalf("%s: received %v, %v; want %q", why, got, err, want)
	}
}

// wantEnd wants recv to return io.EOF, now and ever after.
func (s *scene) wantEnd(why string, recv func() (*[]byte, error)) {
	s.Helper()
	for range 3 {
		if got, err := recv(); err != io.EOF {
			s.Fatalf("%s: received %v, %v; want io.EOF", why, got, err)
		}
	}
}

func TestServerStream(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		var trailer cqrpc.Metadata
		stream := s.serverStream("a", TrailerTo(&trailer))
		wantCall(p, "headers, message and end", 1, serverMethod.Name, "a")
		p.Response(1, "h", "1")
		header, err := stream.Header()
		if err != nil || header.Get("h") != "1" {
			s.Errorf("Header = %v, %v", header, err)
		}
		if got := stream.Peer().String(); got != "mem:server" {
			s.Errorf("Peer = %v", got)
		}
		for i := range 5 {
			p.WriteMessage(1, false, []byte(fmt.Sprint(i)))
			s.wantRecv("in order", stream.Recv, fmt.Sprint(i))
		}
		p.Trailers(1, 0, "t", "2")
		s.wantEnd("OK", stream.Recv)
		if got := stream.Trailer(); got.Get("t") != "2" || trailer.Get("t") != "2" {
			s.Errorf("Trailer = %v, TrailerTo gave %v", got, trailer)
		}
		stream.Close()
		s.wantEnd("Close changes nothing", stream.Recv)
	})
}

// streaming_error_response: what arrived before the error is delivered.
func TestServerStreamError(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.serverStream("a")
		wantCall(p, "sent", 1, serverMethod.Name, "a")
		p.Response(1)
		p.WriteMessage(1, false, []byte("1"))
		p.WriteMessage(1, false, []byte("2"))
		p.Trailers(1, 8, "grpc-message", "enough")
		synctest.Wait()
		s.wantRecv("sent before the error", stream.Recv, "1")
		s.wantRecv("sent before the error", stream.Recv, "2")
		_, first := stream.Recv()
		s.wantError("the end", first, cqrpc.CodeResourceExhausted, "enough")
		for range 3 {
			if _, err := stream.Recv(); !errors.Is(err, first) {
				s.Errorf("Recv after the end = %v; want %v again", err, first)
			}
		}
	})
}

func TestServerStreamOfNothing(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.serverStream("a")
		wantCall(p, "sent", 1, serverMethod.Name, "a")
		p.TrailersOnly(1, 0)
		s.wantEnd("OK", stream.Recv)
		if header, err := stream.Header(); len(header) != 0 || err != nil {
			s.Errorf("Header = %v, %v; want none", header, err)
		}
	})
}

func TestServerStreamAll(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.serverStream("a")
		wantCall(p, "sent", 1, serverMethod.Name, "a")
		p.Response(1)
		p.WriteMessage(1, false, []byte("1"))
		p.WriteMessage(1, false, []byte("2"))
		p.Trailers(1, 0)
		var got []string
		for res, err := range stream.All() {
			if err != nil {
				s.Fatal("All:", err)
			}
			got = append(got, string(*res))
		}
		if fmt.Sprint(got) != "[1 2]" {
			s.Errorf("All = %v", got)
		}
		p.WantIdle("the stream had ended")
	})
}

func TestServerStreamAllWithError(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.serverStream("a")
		wantCall(p, "sent", 1, serverMethod.Name, "a")
		p.Response(1)
		p.WriteMessage(1, false, []byte("1"))
		p.Trailers(1, 13, "grpc-message", "broken")
		var errs []error
		n := 0
		for res, err := range stream.All() {
			if err != nil {
				errs = append(errs, err)
			} else if n++; string(*res) != "1" {
				s.Errorf("All yields %q", *res)
			}
		}
		if n != 1 || len(errs) != 1 {
			s.Fatalf("%d messages, errors %v", n, errs)
		}
		s.wantError("last", errs[0], cqrpc.CodeInternal, "broken")
	})
}

func TestServerStreamAllLeftEarly(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.serverStream("a")
		wantCall(p, "sent", 1, serverMethod.Name, "a")
		p.Response(1)
		for range 10 {
			p.WriteMessage(1, false, []byte("1"))
		}
		synctest.Wait()
		for range stream.All() {
			break
		}
		p.WantRST("leaving the loop ends the call", 1, http2.ErrCodeCancel)
		_, err := stream.Recv()
		s.wantError("closed", err, cqrpc.CodeCanceled)
	})
}

// A message larger than the windows arrives all the same.
func TestServerStreamOfLargeMessages(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.serverStream("a", MaxRecvMessageSize(-1))
		wantCall(p, "sent", 1, serverMethod.Name, "a")
		large := strings.Repeat("x", 1<<20)
		p.Response(1)
		for range 3 {
			p.WriteMessage(1, false, []byte(large))
			s.wantRecv("whole", stream.Recv, large)
		}
		p.Trailers(1, 0)
		s.wantEnd("OK", stream.Recv)
	}, bigWindows)
}

func TestClientStream(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		var header, trailer cqrpc.Metadata
		stream := s.clientStream(HeaderTo(&header), TrailerTo(&trailer))
		p.WantRequest("the headers go out by themselves", 1, clientMethod.Name)
		for i := range 5 {
			if err := stream.Send(message(fmt.Sprint(i))); err != nil {
				s.Fatal("Send:", err)
			}
			p.WantMessage("at once", 1, false, []byte(fmt.Sprint(i)))
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			res, err := stream.CloseAndRecv()
			if err != nil || string(*res) != "sum" {
				s.Errorf("CloseAndRecv = %v, %v", res, err)
			}
		}()
		p.WantData("half-closed", 1, true, nil)
		p.Response(1, "h", "1")
		p.WriteMessage(1, false, []byte("sum"))
		p.Trailers(1, 0, "t", "2")
		<-done
		if header.Get("h") != "1" || trailer.Get("t") != "2" {
			s.Errorf("header = %v, trailer = %v", header, trailer)
		}
		if err := stream.Send(message("late")); err != io.EOF {
			s.Errorf("Send after the end = %v; want io.EOF", err)
		}
	})
}

// client_streaming with an early server status: Send says io.EOF, CloseAndRecv
// says why.
func TestClientStreamEndedByTheServer(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.clientStream()
		p.WantRequest("opened", 1, clientMethod.Name)
		if err := stream.Send(message("1")); err != nil {
			s.Fatal("Send:", err)
		}
		p.WantMessage("sent", 1, false, []byte("1"))
		p.TrailersOnly(1, 7)
		synctest.Wait()
		if err := stream.Send(message("2")); err != io.EOF {
			s.Errorf("Send = %v; want io.EOF", err)
		}
		_, err := stream.CloseAndRecv()
		s.wantError("the reason", err, cqrpc.CodePermissionDenied)
	})
}

// server_finishes_request: the answer may come before the requests have ended.
func TestClientStreamAnsweredEarly(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.clientStream()
		p.WantRequest("opened", 1, clientMethod.Name)
		answer(p, 1, "seen enough")
		p.WriteRST(1, http2.ErrCodeNo)
		synctest.Wait()
		if err := stream.Send(message("1")); err != io.EOF {
			s.Errorf("Send = %v; want io.EOF", err)
		}
		s.wantRecv("the answer counts", stream.CloseAndRecv, "seen enough")
	})
}

func TestClientStreamCardinality(t *testing.T) {
	for name, messages := range map[string]int{"no message": 0, "two messages": 2} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				p := s.connected()
				stream := s.clientStream()
				p.WantRequest("opened", 1, clientMethod.Name)
				p.Response(1)
				for range messages {
					p.WriteMessage(1, false, []byte("x"))
				}
				p.Trailers(1, 0)
				_, err := stream.CloseAndRecv()
				s.wantError("a client stream has one response", err, cqrpc.CodeUnimplemented)
			})
		})
	}
}

// Send returns when flow control has taken the message.
func TestSendWaitsForFlowControl(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
		stream := s.clientStream()
		p.WantRequest("opened", 1, clientMethod.Name)
		sent := make(chan error, 1)
		go func() { sent <- stream.Send(message(strings.Repeat("x", 95+50))) }()
		p.WantDataBytes("as much as the window takes", 1, 100)
		if len(sent) > 0 {
			s.Fatal("Send returned early:", <-sent)
		}
		p.WriteWindowUpdate(1, 50)
		p.WantDataBytes("the rest", 1, 50)
		if err := <-sent; err != nil {
			s.Error("Send:", err)
		}
		go func() { sent <- stream.Send(message("y")) }()
		synctest.Wait()
		stream.Close()
		if err := <-sent; err != io.EOF {
			s.Errorf("Send on a stream that was closed meanwhile = %v; want io.EOF", err)
		}
		p.WantRST("closed", 1, http2.ErrCodeCancel)
	})
}

func TestBidiStream(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.bidiStream()
		p.WantRequest("opened", 1, bidiMethod.Name)
		for i := range 10 { // ping_pong_streaming
			req, res := fmt.Sprint("ping ", i), fmt.Sprint("pong ", i)
			if err := stream.Send(message(req)); err != nil {
				s.Fatal("Send:", err)
			}
			p.WantMessage("at once", 1, false, []byte(req))
			if i == 0 {
				p.Response(1)
			}
			p.WriteMessage(1, false, []byte(res))
			s.wantRecv("in turn", stream.Recv, res)
		}
		if err := stream.CloseSend(); err != nil {
			s.Error("CloseSend:", err)
		}
		p.WantData("half-closed", 1, true, nil)
		if err := stream.Send(message("late")); err != io.EOF {
			s.Errorf("Send after CloseSend = %v; want io.EOF", err)
		}
		p.WriteMessage(1, false, []byte("more"))
		s.wantRecv("the other half is open", stream.Recv, "more")
		p.Trailers(1, 0)
		s.wantEnd("OK", stream.Recv)
	})
}

// One goroutine sends while another receives.
func TestBidiStreamBothWaysAtOnce(t *testing.T) {
	play(t, func(s *scene) {
		s.serveEvery(serveEcho)
		stream := s.bidiStream()
		const n = 500
		var both sync.WaitGroup
		both.Go(func() {
			for i := range n {
				if err := stream.Send(message(fmt.Sprint(i))); err != nil {
					s.Errorf("Send %d: %v", i, err)
				}
			}
			if err := stream.CloseSend(); err != nil {
				s.Error("CloseSend:", err)
			}
		})
		both.Go(func() {
			i := 0
			for res, err := range stream.All() {
				if err != nil || string(*res) != fmt.Sprint(i) {
					s.Errorf("message %d: %v, %v", i, res, err)
					return
				}
				i++
			}
			if i != n {
				s.Errorf("%d messages came back; want %d", i, n)
			}
		})
		both.Wait()
	})
}

func TestBidiStreamAllLeftEarly(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.bidiStream()
		p.WantRequest("opened", 1, bidiMethod.Name)
		p.Response(1)
		p.WriteMessage(1, false, []byte("1"))
		for res, err := range stream.All() {
			if err != nil || string(*res) != "1" {
				s.Errorf("All yields %v, %v", res, err)
			}
			break
		}
		p.WantRST("leaving the loop ends the call", 1, http2.ErrCodeCancel)
		if err := stream.Send(message("late")); err != io.EOF {
			s.Errorf("Send = %v; want io.EOF", err)
		}
	})
}

// Two goroutines in one direction are a mistake, and each is told what is its own.
func TestTwoGoroutinesInOneDirection(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		stream := s.bidiStream()
		p.WantRequest("opened", 1, bidiMethod.Name)
		received, sent := make(chan string, 1), make(chan error, 1)
		go func() {
			res, err := stream.Recv()
			received <- fmt.Sprintf("%s, %v", *res, err)
		}()
		go func() { sent <- stream.Send(message("a")) }()
		synctest.Wait()
		_, err := stream.Recv()
		s.wantError("a second Recv", err, cqrpc.CodeInternal, "another goroutine is receiving")
		s.wantError("a second Send", stream.Send(message("b")), cqrpc.CodeInternal, "another goroutine is sending")
		s.wantError("CloseSend beside Send", stream.CloseSend(), cqrpc.CodeInternal, "another goroutine is sending")
		p.Response(1)
		p.WriteMessage(1, false, []byte("1"))
		p.WriteWindowUpdate(1, 100)
		if got := <-received; got != "1, <nil>" {
			s.Errorf("the first Recv = %s", got)
		}
		if err := <-sent; err != nil {
			s.Errorf("the first Send = %v", err)
		}
		p.WantMessage("only the first", 1, false, []byte("a"))
		stream.Close()
	})
}

func TestStreamContext(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		ctx, cancel := context.WithCancel(s.Context())
		stream, err := BidiStream(ctx, s.ch, bidiMethod)
		if err != nil {
			s.Fatal(err)
		}
		p.WantRequest("opened", 1, bidiMethod.Name)
		failed := make(chan error, 1)
		go func() {
			_, err := stream.Recv()
			failed <- err
		}()
		synctest.Wait()
		cancel()
		s.wantError("cancelled", <-failed, cqrpc.CodeCanceled)
		p.WantRST("the server is told", 1, http2.ErrCodeCancel)
		if err := stream.Send(message("a")); err != io.EOF {
			s.Errorf("Send = %v; want io.EOF", err)
		}
		if stream, err = BidiStream(ctx, s.ch, bidiMethod); !errors.Is(err, context.Canceled) {
			s.Errorf("BidiStream with a cancelled context = %v, %v", stream, err)
		}

		ctx, cancel = context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		if stream, err = BidiStream(ctx, s.ch, bidiMethod); err != nil {
			s.Fatal(err)
		}
		p.WantRequest("opened", 3, bidiMethod.Name, "grpc-timeout", "1S")
		_, err = stream.Recv()
		s.wantError("timed out", err, cqrpc.CodeDeadlineExceeded)
	})
}

func TestStreamClose(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.bidiStream()
		p.WantRequest("opened", 1, bidiMethod.Name)
		p.Response(1)
		p.WriteMessage(1, false, []byte("never taken"))
		synctest.Wait()
		for range 3 {
			stream.Close()
		}
		p.WantRST("once", 1, http2.ErrCodeCancel)
		p.WantIdle("once")
		_, err := stream.Recv()
		s.wantError("closed", err, cqrpc.CodeCanceled)
	})
}

// Streams that cannot be started leave nothing behind.
func TestStreamThatCannotStart(t *testing.T) {
	play(t, func(s *scene) {
		number := 1
		_, err := ServerStream(s.Context(), s.ch, call.Method[int, []byte]{Name: "/test.Echo/Server"}, &number)
		s.wantError("int cannot be sent", err, cqrpc.CodeInternal, "*int")
		_, err = BidiStream(s.Context(), s.ch, bidiMethod, WithMetadata(cqrpc.Metadata{{Key: "bad key"}}))
		s.wantError("not a key", err, cqrpc.CodeInternal, "bad key")
		s.wantDials("nothing to send")
	})
}

func TestStreamOnAFailingChannel(t *testing.T) {
	play(t, func(s *scene) {
		s.onDial(func(context.Context) error { return errors.New("no route") })
		stream := s.bidiStream()
		if err := stream.Send(message("a")); err != io.EOF {
			s.Errorf("Send = %v; want io.EOF", err)
		}
		_, err := stream.Recv()
		s.wantError("the reason", err, cqrpc.CodeUnavailable, "no route")
		if header, err := stream.Header(); len(header) != 0 || err == nil {
			s.Errorf("Header = %v, %v; want the reason", header, err)
		}
	})
}
