package reactor_test

import (
	"bytes"
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/reactor"
	"github.com/cqrpc/cqrpc/codec"
)

// A mistake ends the call with INTERNAL and its name, before StartCall or after. The server
// would not end it: that might come first.
func TestMisuse(t *testing.T) {
	x := wrapperspb.String("x")
	for _, c := range []struct {
		name string
		do   func(k *talker)
		want string
	}{
		{"second read", func(k *talker) { k.StartRead(&k.res); k.StartRead(&k.res) }, "StartRead while one is outstanding"},
		{"second write", func(k *talker) { k.StartWrite(x); k.StartWrite(x) }, "StartWrite while one is outstanding"},
		{
			"write after the last", func(k *talker) { k.StartWriteLast(x); k.StartWrite(x) },
			"StartWrite after the last write",
		},
		{
			"last write after the end", func(k *talker) { k.StartWritesDone(); k.StartWriteLast(x) },
			"StartWriteLast after the last write",
		},
		{
			"second end", func(k *talker) { k.StartWritesDone(); k.StartWritesDone() },
			"StartWritesDone after the last write",
		},
		{"end after the last", func(k *talker) { k.StartWriteLast(x); k.StartWritesDone() }, "StartWritesDone after the last write"},
		{"nil", func(k *talker) { k.StartRead(nil) }, "StartRead(nil)"},
		{"hold removed too often", func(k *talker) { k.RemoveHold(); k.RemoveHold() }, "RemoveHold without a hold"},
		{"no holds", func(k *talker) { k.AddMultipleHolds(0) }, "AddMultipleHolds of too few or too many"},
		{"too many holds", func(k *talker) { k.AddMultipleHolds(1<<20 + 1) }, "AddMultipleHolds of too few or too many"},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(s *scene) {
				k := newTalker(s)
				k.AddHold()
				c.do(k)
				k.want("before StartCall nothing happens")
				k.StartCall()
				k.RemoveHold()
				k.wantDone("told by OnDone", cqrpc.CodeInternal, "reactor: "+c.want)
			}, echoUntiringly)
			play(t, func(s *scene) {
				k := newTalker(s)
				k.onWrite = func(bool) {
					k.onWrite = nil
					k.StartRead(&k.res)
				}
				k.onRead = func(bool) {
					k.onRead = nil
					c.do(k)
				}
				k.AddHold()
				k.StartWrite(x)
				k.StartCall()
				s.wait()
				k.RemoveHold()
				k.wantDone("in a reaction", cqrpc.CodeInternal, "reactor: "+c.want)
			}, echoUntiringly)
		})
	}
}

// A mistake from outside any reaction: what it ends is not told inside of it, so a lock that
// reactions want may be held.
func TestMisuseFromOutside(t *testing.T) {
	play(t, func(s *scene) {
		k := newTalker(s)
		mu := make(chan struct{}, 1)
		k.onRead = func(bool) {
			mu <- struct{}{}
			<-mu
		}
		k.StartRead(&k.res)
		k.AddHold()
		k.StartCall()
		s.wait()
		mu <- struct{}{}
		k.StartRead(&k.res)
		<-mu
		k.RemoveHold()
		k.wantDone("told by OnDone", cqrpc.CodeInternal, "reactor: StartRead while one is outstanding")
	})
}

// A mistake does not hide how the call had ended by then.
func TestMisuseAfterTheStatus(t *testing.T) {
	play(t, func(s *scene) {
		k := newTalker(s)
		k.AddHold()
		k.StartWriteLast(wrapperspb.String("x"))
		k.StartRead(&k.res)
		k.onRead = func(ok bool) {
			if ok {
				k.StartRead(&k.res)
			}
		}
		k.StartCall()
		k.wantOpen("there is a hold")
		k.StartRead(nil)
		k.RemoveHold()
		k.wantDone("well", cqrpc.CodeInternal, "reactor: StartRead(nil) (the call had ended with OK)")

		k = newTalkerOf(s, call.Method[text, text]{Name: "/test.Echo/Nothing", Shape: call.BidiStream})
		k.AddHold()
		k.StartCall()
		k.wantOpen("there is a hold")
		k.StartRead(nil)
		k.RemoveHold()
		k.wantDone("with an error", cqrpc.CodeInternal,
			"reactor: StartRead(nil) (the call had ended with UNIMPLEMENTED: unknown method Nothing for service test.Echo)")
	})
}

// What is started from outside without a hold comes too late: the library has
// given up waiting for it. The status says what is missing.
func TestStartWithoutAHold(t *testing.T) {
	play(t, func(s *scene) {
		k := newTalker(s)
		k.StartCall()
		k.StartRead(&k.res)
		k.wantDone("a hold is missing", cqrpc.CodeInternal,
			"reactor: StartRead when nothing was outstanding: start operations from reactions, or add a hold")
	}, deaf)
}

func TestStartCallTwice(t *testing.T) {
	play(t, func(s *scene) {
		k := newTalker(s)
		k.AddHold()
		k.StartCall()
		k.StartCall()
		k.RemoveHold()
		k.wantDone("once", cqrpc.CodeInternal, "reactor: StartCall twice")
	})
}

func TestStartCallWithoutACall(t *testing.T) {
	play(t, func(s *scene) {
		k := &talker{journal: journal{t: s.T}}
		k.StartRead(&k.res)
		if k.Header() != nil || k.Trailer() != nil {
			s.Error("metadata of no call")
		}
		k.StartCall()
		k.want("there is nothing to end")
		reactor.BidiStream(s.Context(), s.stub, bidi, k)
		k.want("too late", `read false ""`, "done INTERNAL")
	})
}

// A reactor serves one call: whoever gives it another is told at once, while the
// first runs, which goes on, and after it.
func TestReactorWithTwoCalls(t *testing.T) {
	play(t, func(s *scene) {
		k := newTalker(s)
		again := func(when string) {
			defer func() {
				if v := recover(); v != "reactor: a reactor serves one call" {
					s.Errorf("%s: panic %v", when, v)
				}
			}()
			reactor.BidiStream(s.Context(), s.stub, bidi, k)
		}
		again("before StartCall")
		k.StartRead(&k.res)
		k.StartWriteLast(wrapperspb.String("x"))
		k.StartCall()
		again("after it")
		k.wantDone("the first goes on", cqrpc.CodeOK, "")
		again("after OnDone")
	})
}

func TestIllegalFlags(t *testing.T) {
	play(t, func(s *scene) {
		k := newTalker(s)
		k.StartWrite(wrapperspb.String("x"), call.WaitForReady)
		k.StartCall()
		k.wantDone("not a flag of messages", cqrpc.CodeInternal, "*")
	})
}

// mined is a codec that crashes when it marshals "boom".
type mined struct {
	codec.Codec
	crash func()
}

func (m mined) Size(v any) int {
	if v.(*text).Value == "boom" {
		m.crash()
	}
	return m.Codec.Size(v)
}

// A codec that panics, or ends its goroutine, ends the call and leaves nothing
// outstanding: who recovers gets OnDone.
func TestCodecPanics(t *testing.T) {
	boom := wrapperspb.String("boom")
	for name, c := range map[string]struct {
		begin, then func(k *greeted)
		want        []string
	}{
		"early": {
			begin: func(k *greeted) { k.StartRead(&k.res); k.StartWrite(boom); k.StartWritesDone() },
			then:  func(k *greeted) { k.StartCall() },
			want:  []string{"header false", "write false", "writes done true", `read false ""`},
		},
		"write": {
			begin: func(k *greeted) { k.StartCall() },
			then:  func(k *greeted) { k.StartWrite(boom) },
			want:  []string{"header false", "write false"},
		},
		"last": {
			begin: func(k *greeted) { k.StartRead(&k.res); k.StartCall() },
			then:  func(k *greeted) { k.StartWriteLast(boom) },
			want:  []string{"header false", "write false", `read false ""`},
		},
	} {
		for how, crash := range crashes {
			t.Run(name+", "+how, func(t *testing.T) {
				play(t, func(s *scene) {
					k := &greeted{talker: talker{journal: journal{t: s.T}}}
					reactor.BidiStream(s.Context(), s.stub, bidi, k, client.WithCallCodec(mined{codec.Proto(), crash}))
					k.AddHold()
					c.begin(k)
					s.outlive(func() { c.then(k) })
					k.wantOpen("there is a hold")
					k.RemoveHold()
					k.wantDone("told by OnDone", cqrpc.CodeInternal, "reactor: panic in a codec")
					for _, line := range c.want {
						if k.count(line) != 1 {
							s.Errorf("reactions %q, want %q among them", k.lines, line)
						}
					}
				})
			})
		}
	}
}

// A request that crashes its codec is the end of its call, too.
func TestCodecPanicsOnARequest(t *testing.T) {
	boom := wrapperspb.String("boom")
	for how, crash := range crashes {
		t.Run(how, func(t *testing.T) {
			play(t, func(s *scene) {
				opt := client.WithCallCodec(mined{codec.Proto(), crash})
				r := new(result)
				s.outlive(func() {
					done := func(st cqrpc.Status) { r.st = st; r.runs++ }
					reactor.Unary(s.Context(), s.stub, unary, boom, &r.res, done, opt)
				})
				s.wait()
				r.want(s, "unary", "", cqrpc.CodeInternal)
				k := newLister(s, boom.Value, opt)
				k.StartRead(&k.res)
				s.outlive(k.StartCall)
				k.want("server stream", `read false ""`, "done INTERNAL")
			})
		})
	}
}

// A codec that ends its goroutine on a response has decoded nothing, whatever the call ended
// with. (One that panics ends the process.)
func TestCodecExitsOnAResponse(t *testing.T) {
	boom := wrapperspb.String("boom")
	opt := client.WithCallCodec(minedIn{codec.Proto()})
	play(t, func(s *scene) {
		if s.isInline {
			return // that would end the reader of the connection
		}
		r := new(result)
		reactor.Unary(s.Context(), s.stub, unary, boom, &r.res, func(st cqrpc.Status) { r.st = st; r.runs++ }, opt)
		s.wait()
		r.want(s, "unary", "", cqrpc.CodeInternal)
		if !strings.Contains(r.st.Message, "panic in a codec") {
			s.Errorf("the status is %v; want it to tell why", r.st)
		}
		k := newLister(s, boom.Value, opt)
		k.StartRead(&k.res)
		k.StartCall()
		k.want("server stream", `read false ""`, "done INTERNAL")
	})
}

// minedIn is a codec that ends its goroutine when it unmarshals "boom".
type minedIn struct{ codec.Codec }

func (m minedIn) Unmarshal(data []byte, v any) error {
	if bytes.Contains(data, []byte("boom")) {
		runtime.Goexit()
	}
	return m.Codec.Unmarshal(data, v)
}

var crashes = map[string]func(){"panic": func() { panic("secret") }, "exit": runtime.Goexit}

// outlive runs f, which ends in a crash.
func (s *scene) outlive(f func()) {
	s.Helper()
	hasReturned := false
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() { _ = recover() }()
		f()
		hasReturned = true
	})
	wg.Wait()
	if hasReturned {
		s.Error("the crash is nobody's business but the caller's")
	}
}

// The end of the context ends a call that is under way, whatever it waits for.
func TestContextEndsCall(t *testing.T) {
	play(t, func(s *scene) {
		ctx, cancel := context.WithCancel(s.Context())
		k := &talker{journal: journal{t: s.T}}
		reactor.BidiStream(ctx, s.stub, bidi, k)
		k.StartRead(&k.res)
		k.StartCall()
		k.want("the server waits, too")
		cancel()
		k.want("the context has ended", `read false ""`, "done CANCELLED")
	})
}
