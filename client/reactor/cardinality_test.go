package reactor_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/server"
	serverreactor "github.com/cqrpc/cqrpc/server/reactor"
)

// A method with one response gets one (gRPC statuscodes.md, cardinality
// violations): a second that comes late, when nobody can read or write any more,
// is not dropped as unread.
func TestSecondResponseIsSeen(t *testing.T) {
	play(t, func(s *scene) {
		w := newSender(s, nil)
		release := w.Hold()
		w.StartCall()
		s.wait() // the first is here
		release()
		time.Sleep(2 * time.Second) // fake clock
		s.wait()
		if w.last.Code != cqrpc.CodeUnimplemented {
			s.Errorf("two responses end the call with %v, want UNIMPLEMENTED", w.last)
		}
	}, func(...serverreactor.Option) server.Handler {
		m := call.Method[text, text]{Name: clientStream.Name, Shape: call.BidiStream}
		return server.BidiStream(m, func(_ context.Context, _ *server.Receiver[text], out *server.Sender[text]) error {
			if err := out.Send(wrapperspb.String("one")); err != nil {
				return err
			}
			time.Sleep(time.Second) // fake clock
			return out.Send(wrapperspb.String("two"))
		})
	})
}
