package reactor_test

import (
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/reactor"
)

// sender writes what it was given.
type sender struct {
	reactor.WriteBase[text]
	journal
	res     text
	left    []string
	isLast  bool // the last goes out by StartWriteLast
	onWrite func(ok bool)
}

func newSender(s *scene, left []string, opts ...client.CallOption) *sender {
	w := &sender{journal: journal{t: s.T}, left: left}
	w.onWrite = func(ok bool) {
		if ok {
			w.next()
		}
	}
	reactor.ClientStream(s.Context(), s.stub, clientStream, &w.res, w, opts...)
	return w
}

func (w *sender) next() {
	if len(w.left) == 0 {
		if !w.isLast {
			w.StartWritesDone()
		}
		return
	}
	m := wrapperspb.String(w.left[0])
	w.left = w.left[1:]
	if w.isLast && len(w.left) == 0 {
		w.StartWriteLast(m)
	} else {
		w.StartWrite(m)
	}
}

func (w *sender) OnWriteDone(ok bool) {
	defer w.note("write %v", ok)()
	w.onWrite(ok)
}

func (w *sender) OnWritesDoneDone(ok bool) { w.note("writes done %v", ok)() }
func (w *sender) OnDone(st cqrpc.Status)   { w.done(st) }

func TestRequestStream(t *testing.T) {
	play(t, func(s *scene) {
		w := newSender(s, []string{"a", "b", "c"})
		w.next()
		w.StartCall()
		w.want("three and the end", "write true", "write true", "write true", "writes done true", "done OK")
		if w.res.Value != "abc" {
			s.Error(w.res.Value)
		}
	})
}

func TestRequestStreamWithWriteLast(t *testing.T) {
	play(t, func(s *scene) {
		w := newSender(s, []string{"a", "b"})
		w.isLast = true
		w.next()
		w.StartCall()
		w.want("the last write has one reaction", "write true", "write true", "done OK")
		w = newSender(s, []string{"a"})
		w.isLast = true
		w.next()
		w.StartCall()
		w.want("the only write is corked with the headers", "write true", "done OK")
		if w.res.Value != "a" {
			s.Error(w.res.Value)
		}
	})
}

func TestRequestStreamWithoutRequests(t *testing.T) {
	play(t, func(s *scene) {
		w := newSender(s, nil)
		w.next()
		w.StartCall()
		w.want("nothing but the end", "writes done true", "done OK")
	})
}

func TestClientCancelsRequestStream(t *testing.T) {
	play(t, func(s *scene) {
		w := newSender(s, []string{"a", "b", "c"})
		w.onWrite = func(ok bool) {
			if len(w.left) == 1 {
				w.TryCancel()
			}
			if ok {
				w.next()
			}
		}
		w.next()
		w.StartCall()
		w.want("it gives up after the second", "write true", "write true", "write false", "done CANCELLED")
	})
}

func TestRequestStreamServerCancel(t *testing.T) {
	play(t, func(s *scene) {
		for _, when := range []string{"before", "during", "after"} {
			w := newSender(s, []string{"a", "b", "c"}, cancelling(when))
			w.next()
			w.StartCall()
			w.wantDone("the server gives up "+when, cqrpc.CodeCanceled, "Cancelled on the server side")
		}
	})
}

// A reactor that forgets StartWritesDone is half-closed as soon as nobody can
// start another write (in C++ it hangs).
func TestReactorThatForgetsWritesDoneEnds(t *testing.T) {
	play(t, func(s *scene) {
		w := newSender(s, []string{"a"})
		w.onWrite = func(bool) {}
		w.next()
		w.StartCall()
		w.want("the server sees the end", "write true", "done OK")
		w = newSender(s, nil)
		w.StartCall()
		w.want("even of nothing", "done OK")
	})
}

// Writes from outside the reactions need a hold, which is also what C++ says.
func TestHeldWriter(t *testing.T) {
	play(t, func(s *scene) {
		w := newSender(s, []string{"a", "b"})
		w.onWrite = func(bool) {}
		release := w.Hold()
		w.StartCall()
		for range 3 {
			w.next()
			s.wait()
		}
		w.want("all but the end", "write true", "write true", "writes done true")
		release()
		release() // as often as one likes
		w.want("released", "write true", "write true", "writes done true", "done OK")
		if w.res.Value != "ab" {
			s.Error(w.res.Value)
		}
	})
}

// A message that cannot be marshalled ends the call, and its write.
func TestUnserialisableMessage(t *testing.T) {
	play(t, func(s *scene) {
		for _, isEarly := range []bool{true, false} {
			w := newSender(s, []string{"\xff"})
			release := w.Hold()
			if isEarly {
				w.next()
				w.StartCall()
			} else {
				w.StartCall()
				w.next()
			}
			release()
			w.wantDone("protobuf strings are UTF-8", cqrpc.CodeInternal, "*")
			if w.count("write false") != 1 {
				s.Errorf("reactions %q", w.lines)
			}
		}
	})
}
