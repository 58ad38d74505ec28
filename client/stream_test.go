package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
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
		go func() { sent <- stream.Send(message(unbuffered)) }()
		synctest.Wait()
		_, err := stream.Recv()
		s.wantError("a second Recv", err, cqrpc.CodeInternal, "another goroutine is receiving")
		s.wantError("a second Send", stream.Send(message("b")), cqrpc.CodeInternal, "another goroutine is sending")
		s.wantError("CloseSend beside Send", stream.CloseSend(), cqrpc.CodeInternal, "another goroutine is sending")
		p.Response(1)
		p.WriteMessage(1, false, []byte("1"))
		p.WriteWindowUpdate(0, 1<<20)
		p.WriteWindowUpdate(1, 1<<20)
		if got := <-received; got != "1, <nil>" {
			s.Errorf("the first Recv = %s", got)
		}
		if err := <-sent; err != nil {
			s.Errorf("the first Send = %v", err)
		}
		p.WantMessage("only the first", 1, false, []byte(unbuffered))
		p.WantIdle("only the first")
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

// A message that cannot be decoded ends the call.
func TestStreamOfUndecodableMessages(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream, err := BidiStream(s.Context(), s.ch, call.Method[[]byte, int]{Name: bidiMethod.Name})
		if err != nil {
			s.Fatal(err)
		}
		p.WantRequest("opened", 1, bidiMethod.Name)
		p.Response(1)
		p.WriteMessage(1, false, []byte("1"))
		p.WriteMessage(1, false, []byte("2"))
		_, err = stream.Recv()
		s.wantError("int cannot be received", err, cqrpc.CodeInternal, "*int")
		p.WantRST("the server is told", 1, http2.ErrCodeInternal)
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

// endless is a codec that cannot do its work, because it has read to the end of something.
type endless struct{ codec.Codec }

func (endless) Append(dst []byte, _ any) ([]byte, error) { return dst, io.EOF }
func (endless) Unmarshal([]byte, any) error              { return io.EOF }

// io.EOF is the good end of the messages. A failure behind which there is some other end is none.
func TestFailureIsNoEnd(t *testing.T) {
	met := &net.OpError{Op: "proxy", Err: io.EOF}
	answers := func(s *scene, _ context.CancelCauseFunc) {
		p := s.server("called")
		p.WantRequest("called", 1, bidiMethod.Name)
		answer(p, 1, "a")
	}
	for _, test := range []struct {
		name string
		opt  Option
		code cqrpc.Code
		act  func(s *scene, cancel context.CancelCauseFunc) // once the call has begun
	}{
		{"of a dialer", WithDialer(func(context.Context, string, string) (net.Conn, error) { return nil, met }),
			cqrpc.CodeUnavailable, func(*scene, context.CancelCauseFunc) {}},
		{"of a TLS handshake", secure(nil),
			cqrpc.CodeUnavailable, func(s *scene, _ context.CancelCauseFunc) { _ = s.accept("called").Close() }},
		{"of a context", WithUserAgent("any"),
			cqrpc.CodeCanceled, func(_ *scene, cancel context.CancelCauseFunc) { cancel(met) }},
		{"of a codec", WithCodec(endless{codec.Bytes()}), cqrpc.CodeInternal, answers},
		{"of a filter", WithFilter(func(ctx context.Context, start *call.Start) (context.Context, error) {
			start.OnRecv = func(any) error { return met }
			return ctx, nil
		}), cqrpc.CodeUnknown, answers},
	} {
		t.Run(test.name, func(t *testing.T) {
			play(t, func(s *scene) {
				ctx, cancel := context.WithCancelCause(s.Context())
				defer cancel(nil)
				stream, err := BidiStream(ctx, s.ch, bidiMethod)
				if err != nil {
					s.Fatal(err)
				}
				test.act(s, cancel)
				for range 2 {
					_, err = stream.Recv()
					s.wantError("failed", err, test.code, "EOF")
					if errors.Is(err, io.EOF) {
						s.Errorf("Recv = %v, which is the good end", err)
					}
				}
			}, test.opt)
		})
	}
}

// io.EOF of Send is the end of the call, as a message that cannot be sent is not.
func TestUnsendableIsNoEnd(t *testing.T) {
	play(t, func(s *scene) {
		err := s.clientStream().Send(message("a"))
		s.wantError("cannot be encoded", err, cqrpc.CodeInternal, "EOF")
		if errors.Is(err, io.EOF) || !errors.Is(err, call.ErrInvalidMessage) {
			s.Errorf("Send = %v; want no end, but ErrInvalidMessage", err)
		}
	}, WithCodec(endless{codec.Bytes()}))
}

// errors.Is finds what is behind the error of a call, except io.EOF.
func TestCauseOfFailure(t *testing.T) {
	play(t, func(s *scene) {
		met := &net.OpError{Op: "proxy", Err: errors.Join(io.EOF, io.ErrNoProgress)}
		s.onDial(func(context.Context) error { return met })
		_, err := s.bidiStream().Recv()
		s.wantError("not connected", err, cqrpc.CodeUnavailable)
		if op, ok := errors.AsType[*net.OpError](err); !ok || op != met {
			s.Errorf("%v is no *net.OpError", err)
		}
		if !errors.Is(err, io.ErrNoProgress) || errors.Is(err, io.EOF) {
			s.Errorf("%v is ErrNoProgress: %v, EOF: %v; want the first only", err,
				errors.Is(err, io.ErrNoProgress), errors.Is(err, io.EOF))
		}
	})
}

// An application that cancels and then receives gets nothing that had come already, nor the status,
// even if the goroutine that ends the call has not run yet.
func TestStreamCancelledBeforeRecv(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		ctx, cancel := context.WithCancel(s.Context())
		stream, err := BidiStream(ctx, s.ch, bidiMethod)
		if err != nil {
			s.Fatal("BidiStream:", err)
		}
		p.WantRequest("opened", 1, bidiMethod.Name)
		p.Response(1)
		p.WriteMessage(1, false, []byte("1"))
		p.WriteMessage(1, false, []byte("2"))
		p.Trailers(1, 0)
		synctest.Wait()
		s.wantRecv("before", stream.Recv, "1")
		cancel()
		_, err = stream.Recv()
		s.wantError("after", err, cqrpc.CodeCanceled, "context canceled")
		if err := stream.Send(message("late")); err != io.EOF {
			s.Errorf("Send after the end = %v; want io.EOF", err)
		}
	})
}
