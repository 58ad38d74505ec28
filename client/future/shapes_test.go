package future_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/server"
)

func TestUnary(t *testing.T) {
	play(t, func(s *scene) {
		res := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("hi"))
		s.wantText("the response", res.Future, "hi")
		wantResolved(s, "headers", res.Header())
		fail := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("fail"))
		wantCode(s, "the status", fail.Future, 5, "no such thing")
	}, echoUnary())
}

func TestServerStream(t *testing.T) {
	play(t, func(s *scene) {
		st := clientfuture.ServerStream(s.Context(), s.stub, serverStream, wrapperspb.String("abc"))
		for _, want := range []string{"0", "1", "2"} {
			s.wantText("in order", st.Next(), want)
		}
		wantFailed(s, "the end", st.Next(), io.EOF)
		wantFailed(s, "the end stays", st.Next(), io.EOF)
	}, count(nil))
}

func TestClientStream(t *testing.T) {
	play(t, func(s *scene) {
		sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		for _, m := range []string{"a", "b", "c"} {
			wantResolved(s, "flow control has room", sink.Send(wrapperspb.String(m)))
		}
		wantPending(s, "the requests have not ended", res.Future)
		wantResolved(s, "the half-close was written", sink.Close())
		s.wantText("the response", res.Future, "a,b,c")
	}, join())
}

func TestBidiStream(t *testing.T) {
	play(t, func(s *scene) {
		sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		next := stream.Next()
		wantPending(s, "nothing was sent", next)
		wantResolved(s, "flow control has room", sink.Send(wrapperspb.String("ping")))
		s.wantText("the echo", next, "ping")
		wantResolved(s, "the half-close was written", sink.Close())
		wantFailed(s, "the end", stream.Next(), io.EOF)
	}, echoBidi())
}

// A method with one response gets one (gRPC statuscodes.md, cardinality violations).
func TestTwoResponses(t *testing.T) {
	two := func(name string) server.Handler {
		m := call.Method[text, text]{Name: name, Shape: call.BidiStream}
		return server.BidiStream(m, func(_ context.Context, _ *server.Receiver[text], out *server.Sender[text]) error {
			return errors.Join(out.Send(wrapperspb.String("one")), out.Send(wrapperspb.String("two")))
		})
	}
	play(t, func(s *scene) {
		res := clientfuture.Unary(s.Context(), s.stub, unary, wrapperspb.String("hi"))
		wantCode(s, "unary", res.Future, cqrpc.CodeUnimplemented, "more than one message")
		_, res = clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		wantCode(s, "client streaming", res.Future, cqrpc.CodeUnimplemented, "more than one message")
	}, two(unary.Name), two(clientStream.Name))
}
