package future_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

// texts gives n messages, and their text.
func texts(n int) (all []*text, joined []string) {
	for i := range n {
		all = append(all, wrapperspb.String(fmt.Sprint(i)))
		joined = append(joined, fmt.Sprint(i))
	}
	return all, joined
}

// forever never ends, and counts.
func forever(m *text, drawn *int) func() (*text, bool) {
	return func() (*text, bool) {
		*drawn++
		return m, true
	}
}

// SendFrom sends everything in order, after what was sent before, drawn on the
// poller, and leaves the sink open.
func TestSendFrom(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			play(t, func(s *scene) {
				sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
				all, want := texts(n)
				next := future.Values(all)
				sink.Send(wrapperspb.String("begin"))
				f := sink.SendFrom(func() (*text, bool) {
					wantPoller(t)
					return next()
				})
				wantResolved(s, "all is taken", f)
				wantResolved(s, "the sink is open", sink.Send(wrapperspb.String("end")))
				wantResolved(s, "half-closed", sink.Close())
				want = append(append([]string{"begin"}, want...), "end")
				s.wantText("all in order", res.Future, strings.Join(want, ","))
			}, join())
		})
	}
}

// A server that does not read is not run ahead of.
func TestSendFromWaitsForRoom(t *testing.T) {
	narrow(t, func(s *scene, p *h2peer.Peer, sink *clientfuture.Sink[text]) {
		drawn := 0
		f := sink.SendFrom(forever(wrapperspb.String(strings.Repeat("x", 40<<10)), &drawn))
		wantPending(s, "it has no end", f)
		if drawn > 4 { // what the write buffer takes, and one behind it
			t.Errorf("%d messages without room", drawn)
		}
		before := drawn
		p.Ignore(http2.FrameData)
		room(p)
		if synctest.Wait(); drawn < before+20 || drawn > before+30 {
			t.Errorf("%d messages in 1 MiB", drawn-before)
		}
	})
}

func TestSendFromEndsWithTheCall(t *testing.T) {
	play(t, func(s *scene) {
		sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		drawn := 0
		f := sink.SendFrom(forever(new(text), &drawn))
		wantCode(s, "the status", res.Future, cqrpc.CodeAborted)
		wantCode(s, "the status", f, cqrpc.CodeAborted)
		wantCode(s, "and from then on", sink.SendFrom(forever(nil, &drawn)), cqrpc.CodeAborted)
	}, server.ClientStream(clientStream, func(_ context.Context, in *server.Receiver[text]) (*text, error) {
		_, _ = in.Recv()
		return nil, cqrpc.Errorf(cqrpc.CodeAborted, "enough")
	}))
}

func TestSendFromEndsWithTheEnvironment(t *testing.T) {
	play(t, func(s *scene) {
		env := future.NewEnvironment(1)
		sink, _ := clientfuture.ClientStream(s.Context(), clientfuture.New(s.ch, env), clientStream)
		drawn := 0
		f := sink.SendFrom(forever(wrapperspb.String(strings.Repeat("x", 40<<10)), &drawn))
		wantPending(s, "there is no room", f)
		if env.Close() == nil {
			t.Error("nothing was open")
		}
		wantCode(s, "evicted", f, cqrpc.CodeCanceled, "environment is closed")
	}, server.ClientStream(clientStream, func(ctx context.Context, _ *server.Receiver[text]) (*text, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}))
}

// While it goes on nothing comes between; Flush waits for it, Close ends it.
func TestSendFromIsAloneOnItsSink(t *testing.T) {
	narrow(t, func(s *scene, p *h2peer.Peer, sink *clientfuture.Sink[text]) {
		drawn := 0
		f := sink.SendFrom(forever(wrapperspb.String(strings.Repeat("x", 40<<10)), &drawn))
		wantPending(s, "there is no room", f)
		wantFailed(s, "a message between", sink.Send(new(text)), future.ErrPending)
		wantFailed(s, "another", sink.SendFrom(forever(nil, &drawn)), future.ErrPending)
		if sink.Flush() != f {
			t.Error("Flush waits for something else")
		}
		closed := sink.Close()
		p.Ignore(http2.FrameData)
		room(p)
		wantFailed(s, "closed early", f, future.ErrClosed)
		wantResolved(s, "after what was sent", closed)
	})
}

// It turns batches on and back. What others turn meanwhile counts when it is over.
func TestSendFromAndEnhanceBatch(t *testing.T) {
	play(t, func(s *scene) {
		all, _ := texts(10)
		sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		next := future.Values(all)
		f := sink.SendFrom(func() (*text, bool) {
			m, ok := next()
			sink.EnhanceBatch(false) // which flushes at other times
			sink.EnhanceBatch(true)
			return m, ok
		})
		wantResolved(s, "all is taken", f)
		wantResolved(s, "kept back", sink.Send(wrapperspb.String("x")))
		wantResolved(s, "all is taken", sink.SendFrom(future.Values(all[:2])))
		wantResolved(s, "kept back still", sink.Send(wrapperspb.String("y")))
		next = future.Values(all[:1])
		wantResolved(s, "all is taken", sink.SendFrom(func() (*text, bool) {
			sink.EnhanceBatch(false)
			return next()
		}))
		wantResolved(s, "not kept back", sink.Send(wrapperspb.String("z")))
		wantResolved(s, "half-closed", sink.Close())
		s.wantText("in order", res.Future, "0,1,2,3,4,5,6,7,8,9,x,0,1,y,0,z")
	}, join())
}

// Another goroutine that turns batches on and off gets in nobody's way.
func TestSendFromWhileOthersEnhance(t *testing.T) {
	play(t, func(s *scene) {
		all, want := texts(2000)
		sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		f := sink.SendFrom(future.Values(all))
		for range 2 {
			go func() {
				for {
					if _, _, ok := f.Poll(); ok {
						return
					}
					sink.EnhanceBatch(true)
					sink.EnhanceBatch(false)
				}
			}()
		}
		wantResolved(s, "all is taken", f)
		wantResolved(s, "half-closed", sink.Close())
		s.wantText("in order", res.Future, strings.Join(want, ","))
	}, join())
}

func TestSendFromThatPanics(t *testing.T) {
	play(t, func(s *scene) {
		sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		f := sink.SendFrom(func() (*text, bool) { panic(errEnough) })
		wantFailed(s, "the panic", f, errEnough)
		if _, err, _ := f.Poll(); !isPanic(err) {
			t.Errorf("%T", err)
		}
		wantResolved(s, "the sink is open", sink.Send(wrapperspb.String("a")))
		wantResolved(s, "half-closed", sink.Close())
		s.wantText("as if nothing was", res.Future, "a")
	}, join())
}

func isPanic(err error) bool {
	_, ok := errors.AsType[*future.PanicError](err)
	return ok
}

// bomb is a compressor that panics on some messages.
type bomb struct{}

func (bomb) Name() string { return "bomb" }

func (bomb) Compress(dst, src []byte) ([]byte, error) {
	if strings.Contains(string(src), "bomb") {
		panic("boom")
	}
	return append(dst, src...), nil
}

func (bomb) Decompress(dst, src []byte, _ int) ([]byte, error) { return append(dst, src...), nil }

// explosive runs script with a stub that knows bomb, and what runs a function on
// its poller. What panics there is returned.
func explosive(
	t *testing.T, script func(s *scene, stub *clientfuture.Stub, onPoller func(func())),
) (panics []any) {
	t.Helper()
	play(t, func(s *scene) {
		lis := *s
		lis.net = memconn.Listen()
		lis.serve([]server.Handler{join(), echoUnary()}, server.WithCompressors(codec.NewCompressors(bomb{})))
		env := future.NewEnvironment(1, future.WithPanicHandler(func(v any, _ []byte) { panics = append(panics, v) }))
		ch, err := client.NewChannel("passthrough:///mem", client.WithInsecure(), client.WithDialer(lis.dial),
			client.WithCompressors(codec.NewCompressors(bomb{})))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := errors.Join(env.Close(), ch.Close()); err != nil {
				t.Error(err)
			}
		}()
		script(s, clientfuture.New(ch, env), func(f func()) {
			if err := env.Spawn(f); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		})
	})
	return panics
}

// recovered is what f has given to panic.
func recovered(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

// A compressor that panics fails its message, on whatever goroutine, and leaves
// the sink and the call as they were.
func TestCompressorThatPanics(t *testing.T) {
	panics := explosive(t, func(s *scene, stub *clientfuture.Stub, onPoller func(func())) {
		sink, res := clientfuture.ClientStream(s.Context(), stub, clientStream, client.WithCompressor("bomb"))
		if v := recovered(func() { sink.Send(wrapperspb.String("bomb")) }); v != "boom" {
			t.Errorf("the panic of Send: %v", v)
		}
		wantResolved(s, "flushed", sink.Flush())
		var first, second *future.Future[struct{}]
		onPoller(func() {
			first, second = sink.Send(wrapperspb.String("a")), sink.Send(wrapperspb.String("bomb"))
		})
		wantCode(s, "behind another, on the poller", second, cqrpc.CodeInternal)
		wantResolved(s, "the other", first)
		wantResolved(s, "after it", sink.Send(wrapperspb.String("b")))
		wantFailed(s, "half-closed, but a message is lost", sink.Close(), future.ErrFinished)
		s.wantText("all others", res.Future, "a,b")
	})
	if fmt.Sprint(panics) != "[boom]" {
		t.Errorf("reported %v", panics)
	}
}

// A sink that is closed over such a message comes to its end.
func TestCompressorThatPanicsAtTheEnd(t *testing.T) {
	for name, end := range map[string]func(s *scene, sink *clientfuture.Sink[text], onPoller func(func())){
		"behind": func(s *scene, sink *clientfuture.Sink[text], onPoller func(func())) {
			var f *future.Future[struct{}]
			onPoller(func() {
				sink.Send(wrapperspb.String("a"))
				f = sink.Send(wrapperspb.String("bomb"))
				sink.Close()
			})
			wantCode(s, "the message", f, cqrpc.CodeInternal)
		},
		"kept": func(_ *scene, sink *clientfuture.Sink[text], _ func(func())) {
			sink.EnhanceBatch(true)
			sink.Send(wrapperspb.String("a"))
			sink.Send(wrapperspb.String("bomb"))
			synctest.Wait()
			if v := recovered(func() { sink.Close() }); v != "boom" {
				t.Errorf("the panic of Close: %v", v)
			}
		},
		"from": func(s *scene, sink *clientfuture.Sink[text], _ func(func())) {
			all := []*text{wrapperspb.String("a"), wrapperspb.String("bomb"), wrapperspb.String("b")}
			f := sink.SendFrom(future.Values(all))
			wantCode(s, "the message", f, cqrpc.CodeInternal)
			sink.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			explosive(t, func(s *scene, stub *clientfuture.Stub, onPoller func(func())) {
				sink, res := clientfuture.ClientStream(s.Context(), stub, clientStream, client.WithCompressor("bomb"))
				end(s, sink, onPoller)
				synctest.Wait()
				if _, err, ok := sink.Close().Poll(); !ok {
					t.Errorf("Close is not resolved: %v", err)
				}
				res.Cancel()
			})
		})
	}
}

// A request that panics in its compressor leaves nothing behind.
func TestUnaryWhoseCompressorPanics(t *testing.T) {
	explosive(t, func(s *scene, stub *clientfuture.Stub, _ func(func())) {
		if v := recovered(func() {
			clientfuture.Unary(s.Context(), stub, unary, wrapperspb.String("bomb"), client.WithCompressor("bomb"))
		}); v != "boom" {
			t.Errorf("the panic of Unary: %v", v)
		}
		s.wantText("another", clientfuture.Unary(s.Context(), stub, unary, wrapperspb.String("a")).Future, "a")
	})
}

// SendAll of a slice, as the talk has it, is SendFrom awaited.
func TestSendFromAwaited(t *testing.T) {
	play(t, func(s *scene) {
		sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		all, want := texts(3)
		if _, err := sink.SendFrom(future.Values(all)).Await(s.Context()); err != nil {
			t.Error(err)
		}
		if err := sink.SendAll(s.Context(), slices.Values(all)); err != nil {
			t.Error(err)
		}
		sink.Close()
		s.wantText("both", res.Future, strings.Join(append(want, want...), ","))
	}, join())
}
