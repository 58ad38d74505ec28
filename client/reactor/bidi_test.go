package reactor_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/reactor"
)

// talker is a bidi reactor that does what its hooks say.
type talker struct {
	reactor.BidiBase[text, text]
	journal
	res                        text
	onRead, onWrite, onWritten func(ok bool)
}

func newTalker(s *scene, opts ...client.CallOption) *talker {
	return newTalkerOf(s, bidi, opts...)
}

func newTalkerOf(s *scene, m call.Method[text, text], opts ...client.CallOption) *talker {
	k := &talker{journal: journal{t: s.T}}
	reactor.BidiStream(s.Context(), s.stub, m, k, opts...)
	return k
}

func (k *talker) OnReadDone(ok bool) {
	defer k.note("read %v %q", ok, k.res.Value)()
	if k.onRead != nil {
		k.onRead(ok)
	}
	k.res.Reset()
}

func (k *talker) OnWriteDone(ok bool) {
	defer k.note("write %v", ok)()
	if k.onWrite != nil {
		k.onWrite(ok)
	}
}

func (k *talker) OnWritesDoneDone(ok bool) {
	defer k.note("writes done %v", ok)()
	if k.onWritten != nil {
		k.onWritten(ok)
	}
}

func (k *talker) OnDone(st cqrpc.Status) { k.done(st) }

// pingPong has n messages there and back, then the end.
func (k *talker) pingPong(n int) {
	i := 0
	k.onWrite = func(ok bool) {
		if ok {
			k.StartRead(&k.res)
		}
	}
	k.onRead = func(ok bool) {
		i++
		switch {
		case !ok:
		case i == n:
			k.StartWritesDone()
			k.StartRead(&k.res)
		default:
			k.StartWrite(wrapperspb.String(fmt.Sprint(i)))
		}
	}
}

func TestBidiStream(t *testing.T) {
	play(t, func(s *scene) {
		k := newTalker(s)
		k.pingPong(3)
		k.StartWrite(wrapperspb.String("0"))
		k.StartCall()
		k.wantDone("three rounds", cqrpc.CodeOK, "")
		for i := range 3 {
			if k.count(fmt.Sprintf("read true %q", fmt.Sprint(i))) != 1 {
				s.Errorf("reactions %q", k.lines)
			}
		}
	})
}

// The first write is started after StartCall, from outside, under a hold.
func TestBidiStreamFirstWriteAsync(t *testing.T) {
	play(t, func(s *scene) {
		k := newTalker(s)
		k.pingPong(2)
		release := k.Hold()
		k.StartCall()
		k.want("nothing to react to")
		k.StartWrite(wrapperspb.String("0"))
		release()
		k.wantDone("two rounds", cqrpc.CodeOK, "")
	})
}

// A header reactor can start its first write when the initial metadata is there.
func TestFirstWriteAfterInitialMetadata(t *testing.T) {
	play(t, func(s *scene) {
		k := &greeted{talker: talker{journal: journal{t: s.T}}}
		reactor.BidiStream(s.Context(), s.stub, bidi, k)
		k.StartCall()
		k.want("the server waits for a message and has sent no headers")
		k.TryCancel()
		k.want("it never did", "header false", "done CANCELLED")
	})
}

// greeted is a talker that reacts to the initial metadata.
type greeted struct{ talker }

func (g *greeted) OnReadInitialMetadataDone(ok bool) { g.note("header %v", ok)() }

// OnReadInitialMetadataDone says false when there is no initial metadata.
func TestTrailersOnlyOnError(t *testing.T) {
	play(t, func(s *scene) {
		k := &greeted{talker: talker{journal: journal{t: s.T}}}
		m := call.Method[text, text]{Name: "/test.Echo/Nothing", Shape: call.BidiStream}
		reactor.BidiStream(s.Context(), s.stub, m, k)
		k.StartRead(&k.res)
		k.StartCall()
		k.want("Trailers-Only", "header false", `read false ""`, "done UNIMPLEMENTED")
	})
}

func TestClientCancelsBidiStream(t *testing.T) {
	play(t, func(s *scene) {
		k := newTalker(s)
		k.onWrite = func(bool) { k.StartRead(&k.res) }
		k.onRead = func(ok bool) {
			if ok {
				k.TryCancel()
				k.StartWrite(wrapperspb.String("b"))
			}
		}
		k.StartWrite(wrapperspb.String("a"))
		k.StartCall()
		k.wantDone("after the first round", cqrpc.CodeCanceled, "CANCELLED")
		if k.count("write false") != 1 {
			s.Errorf("reactions %q", k.lines)
		}
	})
}

func TestBidiStreamServerCancel(t *testing.T) {
	play(t, func(s *scene) {
		for _, when := range []string{"before", "during", "after"} {
			k := newTalker(s, cancelling(when))
			k.pingPong(3)
			k.StartWrite(wrapperspb.String("0"))
			k.StartCall()
			k.wantDone("the server gives up "+when, cqrpc.CodeCanceled, "Cancelled on the server side")
		}
	})
}

func TestSimultaneousReadAndWritesDone(t *testing.T) {
	play(t, func(s *scene) {
		k := newTalker(s)
		k.onWrite = func(bool) {
			k.StartRead(&k.res)
			k.StartWritesDone()
		}
		k.onRead = func(ok bool) {
			if ok {
				k.StartRead(&k.res)
			}
		}
		k.StartWrite(wrapperspb.String("a"))
		k.StartCall()
		k.wantDone("both at once", cqrpc.CodeOK, "")
		for _, line := range []string{"write true", "writes done true", `read true "a"`, `read false ""`} {
			if k.count(line) != 1 {
				s.Errorf("no %q in %q", line, k.lines)
			}
		}
	})
}

// Everything asked for before StartCall goes out with it, in the order that
// makes sense, whatever the order of asking.
func TestEarlyOperationsAreReleasedInOrder(t *testing.T) {
	play(t, func(s *scene) {
		k := newTalker(s)
		k.StartRead(&k.res)
		k.StartWrite(wrapperspb.String("a"))
		k.StartWritesDone()
		k.onRead = func(ok bool) {
			if ok {
				k.StartRead(&k.res)
			}
		}
		k.want("nothing has started")
		k.StartCall()
		k.wantDone("all of it", cqrpc.CodeOK, "")
		if k.count(`read true "a"`) != 1 || k.count("write true") != 1 || k.count("writes done true") != 1 {
			s.Errorf("reactions %q", k.lines)
		}
	})
}

// A reaction does not run inside the StartX whose operation ended at once, and
// not while the caller holds a lock that it wants.
func TestNoReactionInsideStartX(t *testing.T) {
	play(t, func(s *scene) {
		k := newTalker(s)
		release := k.Hold()
		k.StartCall()
		k.TryCancel() // everything ends at once from now on
		mu := make(chan struct{}, 1)
		react := func(bool) {
			mu <- struct{}{}
			<-mu
		}
		k.onRead, k.onWrite, k.onWritten = react, react, react
		mu <- struct{}{}
		k.StartRead(&k.res)
		k.StartWrite(wrapperspb.String("a"))
		k.StartWritesDone()
		k.TryCancel()
		release()
		<-mu
		k.wantDone("all three failed", cqrpc.CodeCanceled, "CANCELLED")
		for _, line := range []string{"write false", "writes done true", `read false ""`} {
			if k.count(line) != 1 {
				s.Errorf("no %q in %q", line, k.lines)
			}
		}
	})
}

// raw is a reactor of bytes.
type raw struct {
	reactor.BidiBase[[]byte, []byte]
	journal
	res []byte
}

func (r *raw) OnReadDone(ok bool) {
	defer r.note("read %v %q", ok, r.res)()
	if ok {
		r.res = nil
		r.StartRead(&r.res)
	}
}
func (r *raw) OnDone(st cqrpc.Status) { r.done(st) }

func TestGeneric(t *testing.T) {
	play(t, func(s *scene) {
		r := &raw{journal: journal{t: s.T}}
		reactor.Generic(s.Context(), s.stub, clientStream.Name, r)
		m := []byte{10, 1, 'x'}
		r.StartRead(&r.res)
		r.StartWriteLast(&m)
		r.StartCall()
		r.want("a method of another shape", `read true "\n\x01x"`, `read false ""`, "done OK")
	})
}
