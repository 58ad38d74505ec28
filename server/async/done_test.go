package async_test

import (
	"errors"
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
)

// However a call ends, each notice comes once, be it asked for before the
// request, before the call or after its end; and IsCancelled is right.
func TestNotifyWhenDone(t *testing.T) {
	tests := []struct {
		name        string
		end         func(s *site, d *talk)
		isCancelled bool
		finish      string
	}{
		{"answered", func(s *site, d *talk) { must(s, d.Finish(teapot, "finish")) }, false, "finish"},
		{"reset by the client", func(s *site, _ *talk) { s.peer.WriteRST(1, http2.ErrCodeCancel) }, true, ""},
		{"connection lost", func(s *site, _ *talk) { s.peer.Close() }, true, ""},
		{"TryCancel", func(_ *site, d *talk) { d.ctx.TryCancel() }, true, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			play(t, func(s *site) {
				d := new(talk)
				must(s, d.ctx.AsyncNotifyWhenDone(s.q, "first"))
				must(s, d.ctx.AsyncNotifyWhenDone(s.q, "second"))
				must(s, s.bidi.Request(&d.ctx, &d.ReaderWriter, nil, s.q, "request"))
				must(s, d.ctx.AsyncNotifyWhenDone(s.q, "third"))
				s.peer.Request(1, bidi.Name)
				s.want("a call", "request")
				must(s, d.ctx.AsyncNotifyWhenDone(s.q, "fourth"))
				s.want("it is not over")
				test.end(s, d)
				want := []string{"first", "second", "third", "fourth"}
				if test.finish != "" {
					want = append(want, test.finish)
				}
				s.want("it is over", want...)
				if d.ctx.IsCancelled() != test.isCancelled {
					s.Errorf("cancelled is %v", d.ctx.IsCancelled())
				}
				must(s, d.ctx.AsyncNotifyWhenDone(s.q, "fifth"))
				s.want("and will stay so", "fifth")
				if test.finish == "" {
					must(s, d.Finish(ok, "finish"))
					s.want("too late", "!finish")
				}
			})
		})
	}
}

// A call that was over before anybody took it has its notice, too, after the
// tag of the request.
func TestNotifyOfACallThatIsOverAlready(t *testing.T) {
	play(t, func(s *site) {
		d := new(talk)
		must(s, d.ctx.AsyncNotifyWhenDone(s.q, "done"))
		must(s, s.bidi.Request(&d.ctx, &d.ReaderWriter, nil, s.q, "request"))
		s.peer.Request(1, bidi.Name)
		s.peer.WriteMessage(1, false, encoded("nobody reads this"))
		s.peer.WriteRST(1, http2.ErrCodeCancel)
		s.peer.WantIdle("all has arrived")
		ev := s.want("both", "request", "done")
		if ev[0].Tag != "request" {
			s.Error("the notice came first")
		}
		must(s, d.Finish(ok, "finish"))
		s.want("too late", "!finish")
	})
}

// calling is a tag that is a function.
type calling func()

func (f calling) Run(cq.Event) { f() }

// Who is told of the end at once, while the tag of the request is taken, finds context and
// responder bound.
func TestNotifyWhileTheTagIsTaken(t *testing.T) {
	play(t, func(s *site) {
		inline := cq.NewCallback(cq.Inline(), nil)
		defer inline.Shutdown()
		d := new(talk)
		told := 0
		must(s, d.ctx.AsyncNotifyWhenDone(inline, calling(func() {
			told++
			must(s, d.Finish(ok, "finish"))
			if d.Call() == nil || !d.ctx.IsCancelled() {
				s.Errorf("the call is %v, cancelled is %v", d.Call(), d.ctx.IsCancelled())
			}
		})))
		must(s, s.bidi.Request(&d.ctx, &d.ReaderWriter, nil, s.q, "request"))
		s.peer.Request(1, bidi.Name)
		s.peer.WriteRST(1, http2.ErrCodeCancel)
		s.peer.WantIdle("all has arrived")
		s.want("too late", "request", "!finish")
		if told != 1 {
			s.Errorf("told %d times", told)
		}
	})
}

// A call that never comes has no notice of its end, but an answer.
func TestNotifyWithoutACall(t *testing.T) {
	play(t, func(s *site) {
		var asked, refused talk
		must(s, asked.ctx.AsyncNotifyWhenDone(s.q, "asked"))
		must(s, s.bidi.Request(&asked.ctx, &asked.ReaderWriter, nil, s.q, "request"))
		must(s, refused.ctx.AsyncNotifyWhenDone(s.q, "refused"))
		refuse(s, "Request", s.bidi.Request(&refused.ctx, &refused.ReaderWriter, nil, cq.New(), "x"), server.ErrUnknownQueue)
		ev := s.want("the request was refused", "!refused")
		refuse(s, "its notice", ev[0].Err, async.ErrNotBound)

		s.peer.Close()
		must(s, s.server.Close())
		for _, ev := range s.want("the server has ended", "!request", "!asked") {
			if !errors.Is(ev.Err, server.ErrServerClosed) && !errors.Is(ev.Err, async.ErrNotBound) {
				s.Errorf("event %v has error %v", ev.Tag, ev.Err)
			}
		}
		refuse(s, "operation of what is not bound", asked.Finish(ok, "x"), async.ErrNotBound)
		refuse(s, "notice on a queue that is finished", asked.ctx.AsyncNotifyWhenDone(s.q, "x"), cq.ErrShutdown)
		refuse(s, "request on a queue that is finished",
			s.bidi.Request(&asked.ctx, &asked.ReaderWriter, nil, s.q, "x"), cq.ErrShutdown)
	})
}
