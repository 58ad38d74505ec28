package reactor_test

import (
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/reactor"
)

// lister reads everything, unless told to do otherwise.
type lister struct {
	reactor.ReadBase[text]
	journal
	res    text
	onRead func(ok bool)
}

func newLister(s *scene, req string, opts ...client.CallOption) *lister {
	l := &lister{journal: journal{t: s.T}}
	l.onRead = func(ok bool) {
		if ok {
			l.StartRead(&l.res)
		}
	}
	reactor.ServerStream(s.Context(), s.stub, serverStream, wrapperspb.String(req), l, opts...)
	return l
}

func (l *lister) OnReadDone(ok bool) {
	defer l.note("read %v %q", ok, l.res.Value)()
	l.onRead(ok)
	l.res.Reset()
}

func (l *lister) OnDone(st cqrpc.Status) { l.done(st) }

func cancelling(when string) client.CallOption {
	return client.WithMetadata(cqrpc.Pairs("cancel", when))
}

func TestResponseStream(t *testing.T) {
	play(t, func(s *scene) {
		l := newLister(s, "a b c", client.WithMetadata(cqrpc.Pairs("echo", "v")))
		l.StartRead(&l.res)
		l.StartCall()
		l.want("all, then the end", `read true "a"`, `read true "b"`, `read true "c"`, `read false ""`, "done OK")
		if l.Header().Get("echo") != "v" || l.Trailer().Get("echo-trailing") != "v" {
			s.Error(l.Header(), l.Trailer())
		}
		l = newLister(s, "")
		l.StartRead(&l.res)
		l.StartCall()
		l.want("none", `read false ""`, "done OK")
	})
}

// Who reads once more after the end gets another false and no harm
// (ResponseStreamExtraReactionFlowReadsUntilDone).
func TestResponseStreamReadsUntilDone(t *testing.T) {
	play(t, func(s *scene) {
		l := newLister(s, "a")
		extra := 2
		l.onRead = func(ok bool) {
			if ok || extra > 0 {
				if !ok {
					extra--
				}
				l.StartRead(&l.res)
			}
		}
		l.StartRead(&l.res)
		l.StartCall()
		l.want("reads in vain", `read true "a"`, `read false ""`, `read false ""`, `read false ""`, "done OK")
	})
}

func TestClientCancelsResponseStream(t *testing.T) {
	play(t, func(s *scene) {
		l := newLister(s, "a b c")
		l.onRead = func(ok bool) {
			if ok {
				l.TryCancel()
				l.StartRead(&l.res)
			}
		}
		l.StartRead(&l.res)
		l.StartCall()
		l.want("after the first", `read true "a"`, `read false ""`, "done CANCELLED")
	})
}

func TestResponseStreamServerCancel(t *testing.T) {
	play(t, func(s *scene) {
		for _, when := range []string{"before", "during", "after"} {
			l := newLister(s, "a b c", cancelling(when))
			l.StartRead(&l.res)
			l.StartCall()
			l.wantDone("the server gives up "+when, cqrpc.CodeCanceled, "Cancelled on the server side")
			if n := l.count(`read false ""`); n != 1 {
				s.Errorf("%s: %d last reads", when, n)
			}
		}
	})
}

// Messages that arrived before a status other than OK are read (unlike C++, where
// the status may overtake them).
func TestNoMessageIsLostBeforeAnError(t *testing.T) {
	play(t, func(s *scene) {
		w := newTalker(s, client.WithMetadata(cqrpc.Pairs("code", "9")))
		release := w.Hold()
		w.StartWrite(wrapperspb.String("a"))
		w.StartCall()
		w.want("the answer lies here", "write true")
		w.StartWritesDone()
		w.want("the error as well", "write true", "writes done true")
		w.StartRead(&w.res)
		s.wait()
		w.want("it is there to be read", "write true", "writes done true", `read true "a"`)
		release()
		w.want("then the status", "write true", "writes done true", `read true "a"`, "done FAILED_PRECONDITION")
	})
}

// A reactor that stops reading is told of the status all the same: nobody can
// start a read any more, so what is unread holds nothing back.
func TestReactorThatStopsReadingEnds(t *testing.T) {
	play(t, func(s *scene) {
		l := newLister(s, "a b c")
		l.onRead = func(bool) {}
		l.StartRead(&l.res)
		l.StartCall()
		l.want("one is enough", `read true "a"`, "done OK")
		l = newLister(s, "a b c")
		l.StartCall()
		l.want("none is enough", "done OK")
	})
}

// What a call that has failed has brought and nobody has read is dropped with it.
func TestUnreadMessageOfACallThatFailed(t *testing.T) {
	play(t, func(s *scene) { // which looks for buffers
		k := newTalker(s, client.WithMetadata(cqrpc.Pairs("code", "10")))
		k.AddHold()
		k.StartWriteLast(wrapperspb.String("a"))
		k.StartCall()
		k.wantOpen("it is held")
		k.RemoveHold()
		k.wantDone("the status", cqrpc.CodeAborted, "*")
	})
}

// A hold keeps the call for reads from outside.
func TestHeldReader(t *testing.T) {
	play(t, func(s *scene) {
		l := newLister(s, "a b")
		l.onRead = func(bool) {}
		l.AddMultipleHolds(2)
		l.StartCall()
		for range 3 {
			l.StartRead(&l.res)
			s.wait()
		}
		l.want("read one by one", `read true "a"`, `read true "b"`, `read false ""`)
		l.RemoveHold()
		l.wantOpen("one hold is left")
		l.RemoveHold()
		l.want("none is", `read true "a"`, `read true "b"`, `read false ""`, "done OK")
		l.RemoveHold()
		l.StartRead(&l.res)
		l.TryCancel()
		l.want("after OnDone nothing happens", `read true "a"`, `read true "b"`, `read false ""`, "done OK")
	})
}
