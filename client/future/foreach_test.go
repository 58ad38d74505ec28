package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/server"
)

// list calls count for n messages.
func list(s *scene, n int) *clientfuture.Stream[text] {
	return clientfuture.ServerStream(s.Context(), s.stub, serverStream, wrapperspb.String(strings.Repeat("x", n)))
}

// wantPoller wants to be called by a poller.
func wantPoller(t *testing.T) {
	t.Helper()
	if !strings.Contains(string(debug.Stack()), ").poll(") {
		t.Error("not on a poller")
	}
}

// depth is how many functions have not returned.
func depth() int { return runtime.Callers(0, make([]uintptr, 1000)) }

var errEnough = errors.New("enough")

// ForEach yields everything in order, on the poller (the talk's for_each).
func TestForEach(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			play(t, func(s *scene) {
				got := 0
				f := list(s, n).ForEach(func(m *text) error {
					wantPoller(t)
					if m.Value != fmt.Sprint(got) {
						t.Errorf("message %d: %q", got, m.Value)
					}
					got++
					return nil
				})
				if wantResolved(s, "the end", f); got != n {
					t.Errorf("%d messages; want %d", got, n)
				}
			}, count(nil))
		})
	}
}

func TestForEachEndsWithTheCallsError(t *testing.T) {
	play(t, func(s *scene) {
		got := 0
		f := list(s, 3).ForEach(func(*text) error { got++; return nil })
		if wantCode(s, "the status", f, cqrpc.CodeAborted); got != 3 {
			t.Errorf("%d messages before it", got)
		}
	}, count(cqrpc.Errorf(cqrpc.CodeAborted, "enough")))
}

// The error of the function is the future's, and ends the call; so is a panic.
func TestForEachEndsWithTheFunctionsError(t *testing.T) {
	for name, fn := range map[string]func(s *clientfuture.Stream[text]) *future.Future[struct{}]{
		"error": func(s *clientfuture.Stream[text]) *future.Future[struct{}] {
			return s.ForEach(func(*text) error { return errEnough })
		},
		"panic": func(s *clientfuture.Stream[text]) *future.Future[struct{}] {
			return s.ForEach(func(*text) error { panic(errEnough) })
		},
		"future": func(s *clientfuture.Stream[text]) *future.Future[struct{}] {
			return s.ForEachThen(func(*text) *future.Future[struct{}] { return future.Failed[struct{}](errEnough) })
		},
		"later": func(s *clientfuture.Stream[text]) *future.Future[struct{}] {
			return s.ForEachThen(func(*text) *future.Future[struct{}] {
				var p future.Promise[struct{}]
				go p.Fail(errEnough)
				return p.Future()
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			ended := false
			play(t, func(s *scene) {
				sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
				f := fn(stream)
				sink.Send(new(text))
				wantFailed(s, "as the function has", f, errEnough)
				wantFailed(s, "the stream is closed", stream.Next(), future.ErrClosed)
				wantFailed(s, "and stays so", stream.ForEach(nil), future.ErrClosed)
				if synctest.Wait(); !ended {
					t.Error("the call goes on")
				}
			}, server.BidiStream(bidi, func(ctx context.Context, _ *server.Receiver[text], out *server.Sender[text]) error {
				err := out.Send(new(text))
				<-ctx.Done()
				ended = true
				return err
			}))
		})
	}
}

func TestForEachThenWantsAFuture(t *testing.T) {
	play(t, func(s *scene) {
		f := list(s, 3).ForEachThen(func(*text) *future.Future[struct{}] { return nil })
		wantFailed(s, "no future", f, future.ErrNone)
	}, count(nil))
}

// The next message comes when the future is resolved, by whomever, and on the
// poller whoever that is.
func TestForEachThenWaits(t *testing.T) {
	play(t, func(s *scene) {
		var steps []*future.Promise[struct{}]
		f := list(s, 3).ForEachThen(func(*text) *future.Future[struct{}] {
			wantPoller(t)
			steps = append(steps, new(future.Promise[struct{}]))
			return steps[len(steps)-1].Future()
		})
		for i := range 3 {
			wantPending(s, "not at the end", f)
			if len(steps) != i+1 {
				t.Fatalf("%d messages after %d steps", len(steps), i)
			}
			steps[i].Resolve(struct{}{})
		}
		wantResolved(s, "the end", f)
	}, count(nil))
}

// Steps that are done at once do not pile up.
func TestForEachDoesNotRecurse(t *testing.T) {
	play(t, func(s *scene) {
		var depths []int
		stream := list(s, 1000)
		synctest.Wait()
		f := stream.ForEachThen(func(*text) *future.Future[struct{}] {
			depths = append(depths, depth())
			return future.Ready(struct{}{})
		})
		wantResolved(s, "the end", f)
		if lowest := slices.Min(depths); slices.Max(depths) > lowest+10 {
			t.Errorf("from %d to %d functions deep", lowest, slices.Max(depths))
		}
	}, count(nil))
}

func TestForEachIsAloneOnItsStream(t *testing.T) {
	play(t, func(s *scene) {
		sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
		next := stream.Next()
		wantFailed(s, "a Next is not resolved", stream.ForEach(func(*text) error { return nil }), future.ErrPending)
		wantResolved(s, "sent", sink.Send(wrapperspb.String("a")))
		s.wantText("the Next is not disturbed", next, "a")

		var step future.Promise[struct{}]
		f := stream.ForEachThen(func(*text) *future.Future[struct{}] { return step.Future() })
		for _, why := range []string{"it waits", "it is in a step"} {
			wantFailed(s, why, stream.Next(), future.ErrPending)
			wantFailed(s, why, stream.ForEach(nil), future.ErrPending)
			wantPending(s, why, f)
			wantResolved(s, "sent", sink.Send(wrapperspb.String("b")))
		}
		stream.Close()
		wantPending(s, "the step is not done", f)
		step.Resolve(struct{}{})
		wantFailed(s, "given up", f, future.ErrClosed)
	}, echoBidi())
}

// A message that a Recv asked for and did not wait for is the first.
func TestForEachAfterAnImpatientRecv(t *testing.T) {
	for _, hasCome := range []bool{false, true} {
		t.Run(fmt.Sprintf("come=%v", hasCome), func(t *testing.T) {
			play(t, func(s *scene) {
				sink, stream := clientfuture.BidiStream(s.Context(), s.stub, bidi)
				ctx, cancel := context.WithCancel(s.Context())
				cancel()
				if _, err := stream.Recv(ctx); err != context.Canceled {
					t.Fatal(err)
				}
				if hasCome {
					wantResolved(s, "sent", sink.Send(wrapperspb.String("a")))
				}
				var got []string
				f := stream.ForEach(func(m *text) error {
					wantPoller(t)
					got = append(got, m.Value)
					return nil
				})
				wantFailed(s, "the stream is taken", stream.Next(), future.ErrPending)
				if !hasCome {
					wantResolved(s, "sent", sink.Send(wrapperspb.String("a")))
				}
				wantResolved(s, "sent", sink.Send(wrapperspb.String("b")))
				wantResolved(s, "half-closed", sink.Close())
				if wantResolved(s, "the end", f); fmt.Sprint(got) != "[a b]" {
					t.Errorf("got %v", got)
				}
				wantResolved(s, "after the end", stream.ForEach(nil))
			}, echoBidi())
		})
	}
}

// The end of the environment ends it, also one that waits for a step.
func TestForEachEndsWithTheEnvironment(t *testing.T) {
	play(t, func(s *scene) {
		env := future.NewEnvironment(1)
		stub := clientfuture.New(s.ch, env)
		sink, stream := clientfuture.BidiStream(s.Context(), stub, bidi)
		waiting := stream.ForEach(func(*text) error { return nil })
		_, stream2 := clientfuture.BidiStream(s.Context(), stub, bidi)
		var step future.Promise[struct{}]
		sent := sink.Send(new(text))
		inStep := stream2.ForEachThen(func(*text) *future.Future[struct{}] { return step.Future() })
		wantResolved(s, "sent", sent)
		if env.Close() == nil {
			t.Error("nothing was open")
		}
		wantFailed(s, "it waited", waiting, cq.ErrShutdown)
		step.Resolve(struct{}{})
		wantFailed(s, "it was in a step", inStep, cq.ErrShutdown)
	}, server.BidiStream(bidi, func(ctx context.Context, _ *server.Receiver[text], out *server.Sender[text]) error {
		if err := errors.Join(out.Send(new(text)), out.Send(new(text))); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}))
}
