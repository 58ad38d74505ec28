package server_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/server"
)

// A method with one request has it before the handler runs, and its response goes out
// with the status.
func TestUntypedUnary(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := serveHandlers(t, server.Untyped(unary.Name, call.Unary,
			func(_ context.Context, s *server.UntypedStream) (any, error) {
				var req, more text
				if err := s.Recv(&req); err != nil {
					return nil, err
				}
				if err := s.Recv(&more); !errors.Is(err, io.EOF) {
					t.Errorf("after the only request: %v; want io.EOF", err)
				}
				return wrapperspb.String("re: " + req.Value), nil
			}))
		p := x.dial()
		p.Request(1, unary.Name)
		p.WantIdle("no message, no handler")
		p.WriteMessage(1, true, encoded("hello"))
		p.WantResponse("the response begins with headers", 1)
		p.WantMessage("then the message", 1, false, encoded("re: hello"))
		p.WantTrailers("then the status", 1, 0)
		p.WantIdle("that is all")
	})
}

// What is wrong with the request is an error that the handler gets, once.
func TestUntypedRequestThatIsNone(t *testing.T) {
	for name, test := range map[string]struct {
		write func(p peer)
		code  cqrpc.Code
	}{
		"no message":        {func(p peer) { p.WriteData(1, true, nil) }, cqrpc.CodeUnimplemented},
		"no message at all": {func(p peer) { p.WriteMessage(1, true, []byte{0xff}) }, cqrpc.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				x := serveHandlers(t, server.Untyped(unary.Name, call.Unary,
					func(_ context.Context, s *server.UntypedStream) (any, error) {
						err := s.Recv(new(text))
						if cqrpc.CodeOf(err) != test.code {
							t.Errorf("error %v; want %v", err, test.code)
						}
						if again := s.Recv(new(text)); !errors.Is(again, io.EOF) {
							t.Errorf("again: %v; want io.EOF", again)
						}
						return nil, err
					}))
				p := x.dial()
				p.Request(1, unary.Name)
				test.write(p)
				p.WantTrailers("what the handler has returned", 1, int(test.code))
			})
		})
	}
}

// A handler of streams receives and sends what it likes; nil ends the call with OK alone.
func TestUntypedStreams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := serveHandlers(t, server.Untyped(bidi.Name, call.BidiStream,
			func(_ context.Context, s *server.UntypedStream) (any, error) {
				for {
					var req text
					if err := s.Recv(&req); err != nil {
						if errors.Is(err, io.EOF) {
							err = nil
						}
						return nil, err
					}
					if err := s.Send(wrapperspb.String("re: " + req.Value)); err != nil {
						return nil, err
					}
				}
			}))
		p := x.dial()
		p.Request(1, bidi.Name)
		p.WriteMessage(1, false, encoded("a"))
		p.WantResponse("the first response begins with headers", 1)
		p.WantMessage("then its message", 1, false, encoded("re: a"))
		p.WriteMessage(1, true, encoded("b"))
		p.WantMessage("one for each", 1, false, encoded("re: b"))
		p.WantTrailers("the end of requests ends it", 1, 0)

		p.Request(3, bidi.Name)
		p.WriteMessage(3, false, encoded("a"))
		p.WantResponse("as before", 3)
		p.WantMessage("as before", 3, false, encoded("re: a"))
		p.WriteRST(3, http2.ErrCodeCancel)
		p.WantIdle("and the handler is told, or the bubble would not end")
	})
}

// A message that cannot be marshalled is an error of Send, and nothing has gone out.
func TestUntypedMessageThatIsNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := serveHandlers(t, server.Untyped(bidi.Name, call.BidiStream,
			func(_ context.Context, s *server.UntypedStream) (any, error) {
				err := s.Send("no proto.Message")
				if cqrpc.CodeOf(err) != cqrpc.CodeInternal {
					t.Errorf("error %v; want INTERNAL", err)
				}
				return nil, cqrpc.Errorf(cqrpc.CodeDataLoss, "it was: %w", err)
			}))
		p := x.dial()
		p.Request(1, bidi.Name)
		p.WantTrailers("the handler's status is the whole response", 1, int(cqrpc.CodeDataLoss))
	})
}
