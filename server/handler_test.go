package server_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc/server"
)

func echo(_ context.Context, req *text) (*text, error) { return wrapperspb.String("re: " + req.Value), nil }

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
	for {
		m, err := in.Recv()
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
			server.ServerStream(serverStream, split), server.Bidi(bidi, shout))
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
