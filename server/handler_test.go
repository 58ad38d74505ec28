package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/server"
)

func echo(_ context.Context, req *text) (*text, error) {
	return wrapperspb.String("re: " + req.Value), nil
}

// TestHarness shows the tools at work: a server in a bubble, and a client that
// is a script of frames.
func TestHarness(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := serveHandlers(t, server.Unary(unary, echo))
		p := x.dial()
		p.Request(1, unary.Name)
		p.WantIdle("no message, no answer")
		p.WriteMessage(1, true, encoded("hello"))
		p.WantResponse("the response begins with headers", 1)
		p.WantMessage("then the message", 1, false, encoded("re: hello"))
		p.WantTrailers("then the status", 1, 0)
		p.WantIdle("that is all")
	})
}

func join(_ context.Context, in *server.Receiver[text]) (*text, error) {
	var parts []string
	for m, err := range in.All() {
		if err != nil {
			return nil, err
		}
		parts = append(parts, m.Value)
	}
	return wrapperspb.String(strings.Join(parts, "+")), nil
}

func split(_ context.Context, req *text, out *server.Sender[text]) error {
	for part := range strings.SplitSeq(req.Value, "+") {
		if err := out.Send(wrapperspb.String(part)); err != nil {
			return err
		}
	}
	return nil
}

func shout(_ context.Context, in *server.Receiver[text], out *server.Sender[text]) error {
	var m text
	for {
		err := in.RecvInto(&m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := out.Send(wrapperspb.String(strings.ToUpper(m.Value))); err != nil {
			return err
		}
	}
}

func TestShapes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := serveHandlers(t, server.Unary(unary, echo), server.ClientStream(clientStream, join),
			server.ServerStream(serverStream, split), server.BidiStream(bidi, shout))
		p := x.dial()

		p.Request(1, clientStream.Name)
		p.WriteMessage(1, false, encoded("a"))
		p.WriteMessage(1, false, encoded("b"))
		p.WantIdle("the client may send more")
		p.WriteData(1, true, nil)
		p.WantResponse("client stream: headers", 1)
		p.WantMessage("client stream: all in one", 1, false, encoded("a+b"))
		p.WantTrailers("client stream: status", 1, 0)

		p.Request(3, serverStream.Name)
		p.WriteMessage(3, true, encoded("x+y"))
		p.WantResponse("server stream: headers", 3)
		p.WantMessage("server stream: first", 3, false, encoded("x"))
		p.WantMessage("server stream: second", 3, false, encoded("y"))
		p.WantTrailers("server stream: status", 3, 0)

		p.Request(5, bidi.Name)
		p.WriteMessage(5, false, encoded("ping"))
		p.WantResponse("bidi: headers with the first answer", 5)
		p.WantMessage("bidi: first", 5, false, encoded("PING"))
		p.WriteMessage(5, false, encoded("pong"))
		p.WantMessage("bidi: second", 5, false, encoded("PONG"))
		p.WriteData(5, true, nil)
		p.WantTrailers("bidi: status", 5, 0)
		p.WantIdle("nothing else")
	})
}

var serverUnaryEcho = server.Unary(unary, echo)

// TestOutcomes is what handlers can return, and how it looks on the wire.
func TestOutcomes(t *testing.T) {
	detailed, err := cqrpc.Status{Code: cqrpc.CodeAborted, Message: "a%b"}.WithDetails(wrapperspb.String("d"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		res     *text
		err     error
		status  int
		message string
	}{
		{"an error with a code", nil, cqrpc.Errorf(cqrpc.CodeNotFound, "no such user"), 5, "no such user"},
		{"one that was wrapped", nil, fmt.Errorf("looking: %w", cqrpc.Errorf(cqrpc.CodeNotFound, "gone")), 5, "gone"},
		{"any other error", nil, errors.New("broken"), 2, "broken"},
		{"a context's error", nil, context.DeadlineExceeded, 4, "context deadline exceeded"},
		{"details and an odd message", nil, detailed.Err(), 10, "a%25b"},
		{"an error beats a response", wrapperspb.String("x"), errors.New("broken"), 2, "broken"},
		{"nothing at all", nil, nil, 13, "handler returned neither a response nor an error"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				x := serveHandlers(t, server.Unary(unary, func(context.Context, *text) (*text, error) {
					return test.res, test.err
				}))
				p := x.dial()
				p.Request(1, unary.Name)
				p.WriteMessage(1, true, nil)
				p.WantHeaders("Trailers-Only", 1, true, ":status", "200", "content-type", "application/grpc",
					"grpc-status", strconv.Itoa(test.status), "grpc-message", test.message)
				p.WantIdle("one block says it all")
			})
		})
	}
}

// TestUnsendableResponse: strings of protobuf are UTF-8.
func TestUnsendableResponse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := serveHandlers(t, server.Unary(unary, func(ctx context.Context, _ *text) (*text, error) {
			return wrapperspb.String("\xff"), server.SetHeader(ctx, cqrpc.Pairs("k", "v"))
		}))
		p := x.dial()
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, nil)
		p.WantResponse("the handler's metadata still goes out", 1, "k", "v")
		f := p.WantTrailers("it cannot be marshalled", 1, 13)
		if m := f.Value("grpc-message"); !strings.HasPrefix(m, "cannot marshal response") {
			t.Errorf("message is %q", m)
		}
	})
}

// TestUnsendableMessage: what cannot be marshalled takes nothing with it; the handler can send
// another message.
func TestUnsendableMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := serveHandlers(t, server.ServerStream(serverStream,
			func(ctx context.Context, _ *text, out *server.Sender[text]) error {
				_ = server.SetHeader(ctx, cqrpc.Pairs("k", "v"))
				if err := out.Send(wrapperspb.String("\xff")); cqrpc.CodeOf(err) != cqrpc.CodeInternal {
					t.Errorf("Send of what cannot be marshalled: %v", err)
				}
				return out.Send(wrapperspb.String("x"))
			}))
		p := x.dial()
		p.Request(1, serverStream.Name)
		p.WriteMessage(1, true, nil)
		p.WantResponse("the handler's metadata", 1, "k", "v")
		p.WantMessage("the other message", 1, false, encoded("x"))
		p.WantTrailers("the status", 1, 0)
	})
}

// TestSendHeaderOfADeadCall: the caller learns that the call has ended.
func TestSendHeaderOfADeadCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sent := make(chan error, 1)
		x := serveHandlers(t, server.BidiStream(bidi,
			func(ctx context.Context, _ *server.Receiver[text], _ *server.Sender[text]) error {
				<-ctx.Done()
				sent <- server.SendHeader(ctx, nil)
				return nil
			}))
		p := x.dial()
		p.Request(1, bidi.Name)
		p.WriteRST(1, http2.ErrCodeCancel)
		if err := <-sent; cqrpc.CodeOf(err) != cqrpc.CodeCanceled {
			t.Errorf("SendHeader: %v; want CANCELLED", err)
		}
	})
}

// TestContextEndsWithTheHandler: the context ends with its handler even if the response has not
// been taken yet.
func TestContextEndsWithTheHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var ended <-chan struct{}
		x := serveHandlers(t, server.Unary(unary, func(ctx context.Context, _ *text) (*text, error) {
			ended = ctx.Done()
			return wrapperspb.String(strings.Repeat("x", 100_000)), nil // more than the window
		}))
		p := x.dial()
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, nil)
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("the context goes on")
		}
		if n := x.server.Stats().Streams; n != 1 {
			t.Errorf("%d streams, want that one", n)
		}
	})
}

// watched is a codec that calls a function before it marshals.
type watched struct {
	codec.Codec
	onAppend func()
}

func (w watched) Append(dst []byte, v any) ([]byte, error) {
	w.onAppend()
	return w.Codec.Append(dst, v)
}

// TestHandlerIsCountedNoLongerThanItRuns: a client that has read the response may open the next
// stream at once (RFC 9113 section 5.1.2), so the handler is not counted when that is sent.
func TestHandlerIsCountedNoLongerThanItRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var s *server.Server
		handling := -1
		s = server.New(server.WithCodecs(watched{codec.Proto(), func() { handling = s.Stats().Handling }}))
		err := s.Register(server.Unary(unary, func(_ context.Context, req *text) (*text, error) {
			if n := s.Stats().Handling; n != 1 {
				t.Errorf("%d handlers run", n)
			}
			return req, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, nil)
		p.WantResponse("served", 1)
		if handling != 0 {
			t.Errorf("%d handlers are counted when the response is sent", handling)
		}
	})
}

// TestRequestCardinality: a method with one request gets exactly one.
func TestRequestCardinality(t *testing.T) {
	served := 0
	handlers := []server.Handler{
		server.Unary(unary, func(context.Context, *text) (*text, error) {
			served++
			return &text{}, nil
		}),
		server.ServerStream(serverStream, func(context.Context, *text, *server.Sender[text]) error {
			served++
			return nil
		}),
	}
	for _, method := range []string{unary.Name, serverStream.Name} {
		t.Run(method, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := serveHandlers(t, handlers...).dial()
				p.Request(1, method)
				p.WriteData(1, true, nil)
				p.WantTrailers("no message", 1, 12)

				p.WriteHeaders(3, true, ":method", "POST", ":scheme", "http", ":path", method, ":authority", "a",
					"te", "trailers", "content-type", "application/grpc")
				p.WantTrailers("no message, and no DATA at all", 3, 12)

				p.Request(5, method)
				p.WriteMessage(5, false, encoded("one"))
				p.WantIdle("a second message may come until the half-close")
				p.WriteMessage(5, true, encoded("two"))
				p.WantTrailers("two messages", 5, 12)

				p.Request(7, method)
				p.WriteMessage(7, true, []byte{0xff})
				p.WantTrailers("no message of this type", 7, 13)

				p.Request(9, method)
				p.WriteData(9, true, []byte{0, 0, 0, 0, 9, 'x'})
				p.WantTrailers("a message that is cut off", 9, 13)
			})
		})
	}
	if served > 0 {
		t.Errorf("handlers ran %d times", served)
	}
}

func TestMetadata(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var info server.Info
		x := serveHandlers(t, server.Unary(unary, func(ctx context.Context, _ *text) (*text, error) {
			info, _ = server.Incoming(context.WithValue(ctx, t, t))
			return &text{}, errors.Join(
				server.SetHeader(ctx, cqrpc.Pairs("h", "1")), server.SetHeader(ctx, cqrpc.Pairs("h-bin", "\x00")),
				server.SetTrailer(ctx, cqrpc.Pairs("t", "2")),
			)
		}))
		p := x.dial()
		p.Request(1, unary.Name, "k", "v", "k-bin", "AAE", "grpc-timeout", "5S")
		p.WriteMessage(1, true, nil)
		p.WantResponse("initial metadata", 1, "h", "1", "h-bin", "AA")
		p.WantMessage("the message", 1, false, nil)
		p.WantTrailers("trailing metadata", 1, 0, "t", "2")
		if info.Method != unary.Name || info.Authority != "h2peer.test" || info.Peer.String() != "mem:client-1" {
			t.Errorf("info is %+v", info)
		}
		if got := info.Metadata.Get("k") + info.Metadata.Get("k-bin"); got != "v\x00\x01" {
			t.Errorf("request metadata is %q", got)
		}
		if _, ok := info.Call.Deadline(); !ok {
			t.Error("the deadline is lost")
		}
	})
}

func TestSendHeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		x := serveHandlers(t, server.ServerStream(serverStream,
			func(ctx context.Context, _ *text, out *server.Sender[text]) error {
				if err := server.SetHeader(ctx, cqrpc.Pairs("Bad Key", "")); err == nil {
					t.Error("illegal metadata was accepted")
				}
				if err := server.SendHeader(ctx, cqrpc.Pairs("h", "1")); err != nil {
					t.Error(err)
				}
				<-release
				if err := server.SendHeader(ctx, nil); !errors.Is(err, server.ErrHeaderSent) {
					t.Errorf("second SendHeader: %v", err)
				}
				return out.Send(&text{})
			}))
		p := x.dial()
		p.Request(1, serverStream.Name)
		p.WriteMessage(1, true, nil)
		p.WantResponse("headers go out at once", 1, "h", "1")
		p.WantIdle("and nothing else")
		close(release)
		p.WantMessage("the message", 1, false, nil)
		p.WantTrailers("the status", 1, 0)
	})
	for _, err := range []error{
		server.SetHeader(context.Background(), nil), server.SendHeader(context.Background(), nil),
		server.SetTrailer(context.Background(), nil),
	} {
		if !errors.Is(err, server.ErrNoCall) {
			t.Errorf("without a call: %v", err)
		}
	}
	if _, ok := server.Incoming(context.Background()); ok {
		t.Error("Incoming found a call where there is none")
	}
}

// What a handler returns is told as the mapper says, whatever the shape of its method; it cannot
// make a success of a failure.
func TestErrorMapper(t *testing.T) {
	bubble(t, func(t *testing.T) {
		errNoRow, errOdd, errFatal := errors.New("no row"), errors.New("odd"), errors.New("fatal")
		told := 0
		s := server.New(server.WithPanicHandler(func(string, any, []byte) {}), server.WithErrorMapper(func(err error) error {
			told++
			switch {
			case errors.Is(err, errNoRow):
				return cqrpc.Errorf(cqrpc.CodeNotFound, "nothing there: %w", err)
			case errors.Is(err, errOdd):
				return nil
			case errors.Is(err, errFatal):
				panic(err)
			}
			return err
		}))
		results := map[string]error{
			"none": errNoRow, "odd": errOdd, "fatal": errFatal, "fine": nil, "own": cqrpc.Errorf(cqrpc.CodeAborted, "no"),
		}
		err := s.Register(
			server.Unary(unary, func(_ context.Context, req *text) (*text, error) { return req, results[req.Value] }),
			server.ServerStream(serverStream, func(_ context.Context, req *text, _ *server.Sender[text]) error {
				return results[req.Value]
			}),
			server.BidiStream(bidi, func(context.Context, *server.Receiver[text], *server.Sender[text]) error { return errNoRow }),
			server.Untyped("/test.Echo/Untyped", call.Unary, func(context.Context, *server.UntypedStream) (any, error) {
				return nil, errNoRow
			}),
			server.Generic(func(context.Context, *server.RawStream) error { return errNoRow }))
		if err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.Ignore(http2.FrameRSTStream) // of those who answer before the request has ended
		id := uint32(1)
		ask := func(method, what string) uint32 {
			id += 2
			p.Request(id, method)
			p.WriteMessage(id, true, encoded(what))
			return id
		}
		missing := []string{"grpc-message", "nothing there: no row"}
		for _, method := range []string{unary.Name, serverStream.Name, bidi.Name, "/test.Echo/Untyped", "/test.Other/Any"} {
			p.WantTrailers(method, ask(method, "none"), 5, missing...)
		}
		p.WantTrailers("nil is no success", ask(unary.Name, "odd"), 2, "grpc-message", "odd")
		p.WantTrailers("a status is one", ask(unary.Name, "own"), 10, "grpc-message", "no")
		p.WantTrailers("a panic is the handler's", ask(unary.Name, "fatal"), 13, "grpc-message", "panic in handler")
		before := told
		p.WantTrailers("a success is none of its business", ask(serverStream.Name, "fine"), 0)
		if told != before {
			t.Error("it was given nil")
		}
	})
}

// TestPanic: the call fails, the client learns nothing of the reason, the
// process and the connection live.
func TestPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var method, stack string
		var value any
		s := server.New(server.WithPanicHandler(func(m string, v any, st []byte) {
			method, value, stack = m, v, string(st)
		}))
		err := s.Register(
			server.Unary(unary, func(_ context.Context, req *text) (*text, error) {
				switch req.Value {
				case "panic":
					panic("secret")
				case "exit":
					runtime.Goexit()
				}
				return req, nil
			}),
			server.BidiStream(bidi, func(_ context.Context, _ *server.Receiver[text], out *server.Sender[text]) error {
				_ = out.Send(&text{})
				panic(errors.New("late"))
			}))
		if err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, encoded("panic"))
		p.WantTrailers("a panic is INTERNAL", 1, 13, "grpc-message", "panic in handler")
		p.WantIdle("that is all")
		if method != unary.Name || value != "secret" || !strings.Contains(stack, "TestPanic") {
			t.Errorf("reported: %s, %v, %s", method, value, stack)
		}
		p.Request(3, unary.Name)
		p.WriteMessage(3, true, encoded("exit"))
		p.WantTrailers("so is the end of the goroutine", 3, 13, "grpc-message", "panic in handler")
		p.Request(5, bidi.Name)
		p.WantResponse("the handler's first answer", 5)
		p.WantMessage("the handler's first answer", 5, false, nil)
		p.WantTrailers("its end", 5, 13)
		p.WantRST("the client was not done", 5, http2.ErrCodeNo)
		if fmt.Sprint(value) != "late" {
			t.Errorf("reported: %v", value)
		}
		p.Request(7, unary.Name)
		p.WriteMessage(7, true, encoded("fine"))
		p.WantResponse("life goes on", 7)
	})
}

func TestPanicIsLogged(t *testing.T) {
	testPanicIsLogged(t, func(l *slog.Logger) *server.Server { return server.New(server.WithLogger(l)) })
}

// Without a logger, too, a panic is not silent.
func TestPanicIsLoggedByDefault(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	testPanicIsLogged(t, func(l *slog.Logger) *server.Server {
		s := server.New()
		slog.SetDefault(l)
		return s
	})
}

func testPanicIsLogged(t *testing.T, newServer func(*slog.Logger) *server.Server) {
	bubble(t, func(t *testing.T) {
		var log strings.Builder
		s := newServer(slog.New(slog.NewTextHandler(&log, nil)))
		err := s.Register(server.Unary(unary, func(context.Context, *text) (*text, error) { panic("boom") }))
		if err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.Request(1, unary.Name, "authorization", "token")
		p.WriteMessage(1, true, nil)
		p.WantTrailers("a panic is INTERNAL", 1, 13)
		for _, want := range []string{"level=ERROR", unary.Name, "panic=boom", "TestPanicIsLogged"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %q: %s", want, log.String())
			}
		}
		if strings.Contains(log.String(), "token") {
			t.Errorf("the log shows metadata: %s", log.String())
		}
	})
}

// A codec or compressor that crashes over a request ends its call, and no buffer is
// freed twice or never.
func TestCodecCrashesOnTheRequest(t *testing.T) {
	for name, crash := range map[string]func(){"panic": func() { panic("secret") }, "exit": runtime.Goexit} {
		for what, opt := range map[string]server.Option{
			"codec":      server.WithCodecs(mined{codec.Proto(), crash}),
			"compressor": server.WithCompressors(codec.NewCompressors(minedGzip{crash})),
		} {
			t.Run(what+", "+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					reports := 0
					s := server.New(opt, server.WithPanicHandler(func(string, any, []byte) { reports++ }))
					if err := s.Register(server.Unary(unary, echo)); err != nil {
						t.Fatal(err)
					}
					p := serve(t, s).dial()
					if what == "codec" {
						p.Request(1, unary.Name)
						p.WriteMessage(1, true, encoded("x"))
					} else {
						p.Request(1, unary.Name, "grpc-encoding", "gzip")
						p.WriteData(1, true, []byte{1, 0, 0, 0, 1, 'x'})
					}
					p.WantHeaders("INTERNAL", 1, true, "grpc-status", "13", "grpc-message", "panic in handler")
					synctest.Wait()
					if reports != 1 {
						t.Errorf("reported %d times", reports)
					}
				})
			})
		}
	}
}

// mined is a codec that panics on what it is to unmarshal.
type mined struct {
	codec.Codec
	crash func()
}

func (m mined) Unmarshal([]byte, any) error {
	m.crash()
	return nil
}

// minedGzip is a compressor that does.
type minedGzip struct{ crash func() }

func (minedGzip) Name() string { return "gzip" }

func (minedGzip) Compress(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

func (m minedGzip) Decompress(dst, _ []byte, _ int) ([]byte, error) {
	m.crash()
	return dst, nil
}

// TestReceiverOutlivesHandler: a goroutine may still wait for a request, or begin to, when the
// handler has returned, as with a proxy that has been told the status of its backend.
func TestReceiverOutlivesHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ended := make(chan error, 2)
		receive := func(recv func() error) error {
			returned := make(chan bool)
			go func() {
				err := recv()
				for err == nil {
					err = recv()
				}
				ended <- err
				<-returned
				ended <- recv()
			}()
			time.AfterFunc(time.Second, func() { close(returned) })
			return nil
		}
		x := serveHandlers(t,
			server.BidiStream(bidi, func(_ context.Context, in *server.Receiver[text], _ *server.Sender[text]) error {
				return receive(func() error { return in.RecvInto(new(text)) })
			}),
			server.Untyped("/test.Echo/Untyped", call.BidiStream,
				func(_ context.Context, s *server.UntypedStream) (any, error) {
					return nil, receive(func() error { return s.Recv(new(text)) })
				}),
			server.Generic(func(_ context.Context, s *server.RawStream) error {
				return receive(func() error {
					b, err := s.Recv()
					b.Free()
					return err
				})
			}))
		p := x.dial()
		for i, name := range []string{bidi.Name, "/test.Echo/Untyped", "/test.Echo/Raw"} {
			id := uint32(2*i + 1)
			p.Request(id, name)
			p.WriteMessage(id, false, encoded("x"))
			p.WantTrailers(name, id, 0)
			p.WantRST("the rest is not wanted", id, http2.ErrCodeNo)
			for _, when := range []string{"outstanding", "begun later"} {
				err := <-ended
				e, ok := errors.AsType[*cqrpc.Error](err)
				if !ok || e.Status.Code != cqrpc.CodeCanceled || !errors.Is(err, context.Canceled) {
					t.Errorf("%s: a Recv %s ends with %v; want CANCELLED, as the context", name, when, err)
				}
			}
		}
	})
}
