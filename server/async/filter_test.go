package async_test

import (
	"context"
	"runtime"
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
)

// The filter runs where the request's tag is harvested. What it sets, then and later,
// and the context it derives belong to the call that the application gets.
func TestFilterOfTheQueueStyle(t *testing.T) {
	type key struct{}
	var derived context.Context
	ended := false
	filter := func(ctx context.Context, s *call.Start) (context.Context, error) {
		must(t, server.SetHeader(ctx, cqrpc.Pairs("h", "filter")))
		must(t, server.SetTrailer(ctx, cqrpc.Pairs("t", "filter")))
		s.OnRecv = func(any) error { return server.SetTrailer(ctx, cqrpc.Pairs("t", "later")) }
		derived = context.WithValue(ctx, key{}, "v")
		context.AfterFunc(derived, func() { ended = true })
		return derived, nil
	}
	play(t, func(s *site) {
		d := new(talk)
		must(s, d.ctx.AsyncNotifyWhenDone(s.q, "done"))
		must(s, s.bidi.Request(&d.ctx, &d.ReaderWriter, nil, s.q, "request"))
		s.peer.Request(1, bidi.Name)
		s.peer.WantIdle("nobody has taken the call")
		if derived != nil {
			t.Error("the filter has run on the connection")
		}
		s.want("a call", "request")
		if d.ctx.Value(key{}) != "v" || derived.Err() != nil {
			t.Errorf("the context has %v; the filter's ended with %v", d.ctx.Value(key{}), derived.Err())
		}
		must(t, d.ctx.SetHeader(cqrpc.Pairs("h", "application")))
		var req text
		must(t, d.Read(&req, "read"))
		s.peer.WriteMessage(1, true, encoded("x"))
		s.want("a message", "read")
		must(t, d.Finish(ok, "finish"))
		h := s.peer.WantResponse("initial metadata of both", 1)
		if got := h.Values("h"); len(got) != 2 || got[0] != "filter" || got[1] != "application" {
			t.Errorf("the header is %q", got)
		}
		tr := s.peer.WantTrailers("trailing metadata of then and later", 1, 0)
		if got := tr.Values("t"); len(got) != 2 || got[1] != "later" {
			t.Errorf("the trailer is %q", got)
		}
		s.want("it is over", "finish", "done")
		<-derived.Done()
		if !ended {
			t.Error("AfterFunc did not run")
		}
	}, server.WithFilter(filter))
}

// Of a call that a filter refuses the application sees nothing: its request waits for
// the next.
func TestFilterRefusesInTheQueueStyle(t *testing.T) {
	filter := func(ctx context.Context, s *call.Start) (context.Context, error) {
		if s.Metadata.Get("who") == "" {
			must(t, server.SetHeader(ctx, cqrpc.Pairs("h", "1")))
			must(t, server.SetTrailer(ctx, cqrpc.Pairs("t", "2")))
			return nil, cqrpc.Errorf(cqrpc.CodeUnauthenticated, "who?")
		}
		return ctx, nil
	}
	play(t, func(s *site) {
		d := new(talk)
		must(s, s.bidi.Request(&d.ctx, &d.ReaderWriter, nil, s.q, "request"))
		s.peer.Request(1, bidi.Name)
		s.want("nothing for the application")
		s.peer.WantResponse("the filter's header", 1, "h", "1")
		s.peer.WantTrailers("the refusal", 1, int(cqrpc.CodeUnauthenticated), "t", "2")
		s.peer.WantRST("the client was not done", 1, http2.ErrCodeNo)
		s.peer.Request(3, bidi.Name, "who", "alice")
		s.want("the next call", "request")
		if d.ctx.Metadata().Get("who") != "alice" {
			t.Errorf("the call is %v", d.ctx.Metadata())
		}
		must(t, d.Finish(ok, "finish"))
		s.peer.WantHeaders("no header of the refused call", 3, true, "grpc-status", "0")
		s.want("it is over", "finish")
	}, server.WithFilter(filter))
}

// A filter may send the header at once: the application's first message then does not
// bring it again.
func TestFilterSendsTheHeader(t *testing.T) {
	filter := func(ctx context.Context, _ *call.Start) (context.Context, error) {
		return ctx, server.SendHeader(ctx, cqrpc.Pairs("h", "filter"))
	}
	play(t, func(s *site) {
		d := s.talk(1)
		s.peer.WantResponse("the filter's header", 1, "h", "filter")
		refuse(t, "the header is out", d.ctx.SetHeader(cqrpc.Pairs("h", "late")), server.ErrHeaderSent)
		must(t, d.Write(&text{Value: "x"}, "write"))
		s.peer.WantMessage("a message", 1, false, encoded("x"))
		s.want("sent", "write")
		must(t, d.Finish(ok, "finish"))
		s.peer.WantTrailers("the status", 1, 0)
		s.want("it is over", "finish")
	}, server.WithFilter(filter))
}

// Where a filter ends its goroutine, or a codec crashes, the call is answered and the
// request goes on waiting: its notice comes, and the queue drains.
func TestCrashesBeforeTheApplication(t *testing.T) {
	exits := func(context.Context, *call.Start) (context.Context, error) { runtime.Goexit(); return nil, nil }
	exitsLater := func(_ context.Context, s *call.Start) (context.Context, error) {
		s.OnRecv = func(any) error { runtime.Goexit(); return nil }
		return nil, nil
	}
	for name, opt := range map[string]server.Option{
		"filter": server.WithFilter(exits), "message": server.WithFilter(exitsLater),
		"codec": server.WithCodecs(mined{codec.Proto()}),
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *site) {
				var ctx async.Context
				var req text
				var w async.ResponseWriter[text]
				must(t, ctx.AsyncNotifyWhenDone(s.q, "done"))
				must(t, s.unary.Request(&ctx, &req, &w, nil, s.q, "request"))
				s.peer.Request(1, unary.Name)
				s.peer.WriteMessage(1, true, encoded("boom"))
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					defer func() { _ = recover() }()
					s.q.Next(s.Context())
				}()
				<-ended
				s.peer.WantHeaders("the call is answered", 1, true, "grpc-status", "13")
				s.want("nothing yet")
				must(t, s.server.Close())
				s.want("the request waited", "!request", "!done")
			}, opt, server.WithPanicHandler(func(string, any, []byte) {}))
		})
	}
}

// mined has a codec that crashes.
type mined struct{ codec.Codec }

func (mined) Unmarshal([]byte, any) error { panic("secret") }

// The application's context ends, and its notice comes, whatever goroutines a filter has
// left behind with its own.
func TestGoroutinesOfAFilter(t *testing.T) {
	for range 50 {
		ended := make(chan error, 1)
		filter := func(ctx context.Context, _ *call.Start) (context.Context, error) {
			go func() {
				for range 3 {
					if err := server.SetTrailer(ctx, cqrpc.Pairs("t", "1")); err != nil {
						t.Error(err)
					}
				}
				<-ctx.Done()
				ended <- ctx.Err()
			}()
			return ctx, nil
		}
		play(t, func(s *site) {
			d := new(talk)
			must(t, d.ctx.AsyncNotifyWhenDone(s.q, "done"))
			must(s, s.bidi.Request(&d.ctx, &d.ReaderWriter, nil, s.q, "request"))
			s.peer.Request(1, bidi.Name)
			s.want("a call", "request")
			s.peer.WriteRST(1, http2.ErrCodeCancel)
			s.want("it is over", "done")
			<-ended
		}, server.WithFilter(filter))
	}
}
