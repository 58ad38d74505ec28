package future_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

// narrow runs script with a client stream to a scripted server that has no room
// for messages: what has no BufferHint stays unresolved until room is made.
func narrow(t *testing.T, script func(s *scene, p *h2peer.Peer, sink *clientfuture.Sink[text])) {
	t.Helper()
	play(t, func(s *scene) {
		lis := *s
		lis.net = memconn.Listen()
		ch, err := client.NewChannel("passthrough:///mem", client.WithInsecure(), client.WithDialer(lis.dial))
		if err != nil {
			t.Fatal(err)
		}
		defer ch.Close()
		sink, res := clientfuture.ClientStream(s.Context(), clientfuture.New(ch, s.env), clientStream)
		nc, err := lis.net.Accept()
		if err != nil {
			t.Fatal(err)
		}
		p := h2peer.New(s.T, nc, h2peer.Server)
		p.Greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		p.Ignore(http2.FrameWindowUpdate)
		p.WantRequest("the call begins", 1, clientStream.Name)
		script(s, p, sink)
		res.Cancel()
		wantCode(s, "cancelled", res.Future, cqrpc.CodeCanceled)
	})
}

func encoded(s string) []byte {
	b, err := proto.Marshal(wrapperspb.String(s))
	if err != nil {
		panic(err)
	}
	return b
}

// room lets everything through.
func room(p *h2peer.Peer) {
	p.WriteWindowUpdate(0, 1<<20)
	p.WriteWindowUpdate(1, 1<<20)
}

// One message may be on its way and one wait behind it.
func TestSendResolvesWhenFlowControlHasTakenIt(t *testing.T) {
	narrow(t, func(s *scene, p *h2peer.Peer, sink *clientfuture.Sink[text]) {
		first, second := sink.Send(wrapperspb.String("a")), sink.Send(wrapperspb.String("b"))
		wantPending(s, "there is no room", first)
		wantPending(s, "nor for what comes behind", second)
		wantFailed(s, "a third is too much", sink.Send(wrapperspb.String("c")), future.ErrPending)
		if sink.Flush() != second {
			t.Error("Flush waits for something else than the last message")
		}
		p.WriteWindowUpdate(1, uint32(5+len(encoded("a"))))
		wantResolved(s, "there is room for one", first)
		wantPending(s, "and no more", second)
		room(p)
		wantResolved(s, "there is room", second)
		p.WantMessage("in order", 1, false, encoded("a"))
		p.WantMessage("in order", 1, false, encoded("b"))
		p.WantIdle("the third was refused")
	})
}

func TestSendWithBufferHintResolvesAtOnce(t *testing.T) {
	narrow(t, func(s *scene, p *h2peer.Peer, sink *clientfuture.Sink[text]) {
		wantResolved(s, "it fits the buffer", sink.Send(wrapperspb.String("a"), call.BufferHint))
		wantResolved(s, "it fits the buffer", sink.Send(wrapperspb.String("b"), call.BufferHint, call.NoCompress))
		big := sink.Send(wrapperspb.String(strings.Repeat("x", 64<<10)), call.BufferHint)
		wantPending(s, "it does not", big)
		room(p)
		wantResolved(s, "there is room", big)
		p.WantMessage("in order", 1, false, encoded("a"))
		p.WantMessage("in order", 1, false, encoded("b"))
	})
}

// Close needs not wait for the Sends before.
func TestCloseBehindSend(t *testing.T) {
	for n := 1; n <= 2; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			narrow(t, func(s *scene, p *h2peer.Peer, sink *clientfuture.Sink[text]) {
				var last *future.Future[struct{}]
				for range n {
					last = sink.Send(wrapperspb.String("a"))
				}
				closed := sink.Close()
				wantPending(s, "there is no room", last)
				wantPending(s, "nor for what comes behind", closed)
				if sink.Close() != closed {
					t.Error("Close made another future")
				}
				wantFailed(s, "closed", sink.Send(wrapperspb.String("b")), future.ErrClosed)
				wantFailed(s, "closed", sink.Flush(), future.ErrClosed)
				room(p)
				wantResolved(s, "there is room", last)
				wantResolved(s, "and the end", closed)
				if n == 2 {
					p.WantMessage("the first", 1, false, encoded("a"))
				}
				p.WantMessage("in one frame with the end", 1, true, encoded("a"))
			})
		})
	}
}

func TestCancelWhileSending(t *testing.T) {
	narrow(t, func(s *scene, _ *h2peer.Peer, sink *clientfuture.Sink[text]) {
		send, closed := sink.Send(wrapperspb.String("a")), sink.Close()
		sink.Cancel()
		wantCode(s, "cancelled", send, cqrpc.CodeCanceled)
		wantCode(s, "the message did not go out", closed, cqrpc.CodeCanceled)
	})
}

// EnhanceBatch keeps one message back; the ones before go out with BufferHint.
func TestEnhanceBatch(t *testing.T) {
	narrow(t, func(s *scene, p *h2peer.Peer, sink *clientfuture.Sink[text]) {
		sink.EnhanceBatch(true)
		for _, m := range []string{"a", "b", "c"} {
			wantResolved(s, "it is about the message before, which has the hint", sink.Send(wrapperspb.String(m)))
		}
		room(p)
		p.WantMessage("sent by the second", 1, false, encoded("a"))
		p.WantMessage("sent by the third", 1, false, encoded("b"))
		p.WantIdle("the last is kept back until Flush")
		wantResolved(s, "all is sent", sink.Flush())
		p.WantMessage("sent by Flush", 1, false, encoded("c"))
		wantResolved(s, "there is nothing to flush", sink.Flush())
		p.WantIdle("nothing was kept back")
	})
}

// The message that Flush sends has the hint if all since the last Flush had it.
func TestHintOfFlush(t *testing.T) {
	for _, c := range []struct {
		hints []bool
		want  bool
	}{
		{[]bool{true}, true},
		{[]bool{false}, false},
		{[]bool{true, true, true}, true},
		{[]bool{true, true, false}, false},
		{[]bool{false, true, true}, false},
		{[]bool{true, false, true}, false},
	} {
		t.Run(fmt.Sprint(c.hints), func(t *testing.T) {
			narrow(t, func(s *scene, p *h2peer.Peer, sink *clientfuture.Sink[text]) {
				sink.EnhanceBatch(true)
				for round := range 2 { // a Flush starts anew
					for _, hint := range c.hints {
						var f call.Flags
						if hint {
							f = call.BufferHint
						}
						wantResolved(s, "kept back", sink.Send(wrapperspb.String("x"), f))
					}
					flush := sink.Flush()
					if c.want {
						wantResolved(s, "with the hint", flush)
					} else {
						wantPending(s, "without the hint", flush)
						if sink.Flush() != flush {
							t.Error("a second Flush is another")
						}
						p.WriteWindowUpdate(1, uint32(len(c.hints)*(5+len(encoded("x")))))
						wantResolved(s, "there is room", flush)
					}
					if c.want && round == 0 {
						wantResolved(s, "room or not", sink.Send(wrapperspb.String("y")))
						wantPending(s, "this one had no hint", sink.Flush())
						break
					}
				}
			})
		})
	}
}

// Close sends what is kept back, and the end with it.
func TestCloseSendsWhatIsKeptBack(t *testing.T) {
	narrow(t, func(s *scene, p *h2peer.Peer, sink *clientfuture.Sink[text]) {
		sink.EnhanceBatch(true)
		wantResolved(s, "kept back", sink.Send(wrapperspb.String("a")))
		big := sink.Send(wrapperspb.String(strings.Repeat("b", 100)))
		wantResolved(s, "kept back", big)
		closed := sink.Close()
		wantPending(s, "there is no room", closed)
		room(p)
		wantResolved(s, "there is room", closed)
		p.WantMessage("sent by the second", 1, false, encoded("a"))
		p.WantMessage("with the end", 1, true, encoded(strings.Repeat("b", 100)))
	})
}

// Flush and Close may be called behind a Send that is not resolved: what is kept
// back goes out when its turn comes.
func TestFlushAndCloseWaitForTheirTurn(t *testing.T) {
	narrow(t, func(s *scene, p *h2peer.Peer, sink *clientfuture.Sink[text]) {
		sink.EnhanceBatch(true)
		big := strings.Repeat("x", 65<<10) // more than the write buffer
		wantResolved(s, "kept back", sink.Send(wrapperspb.String(big)))
		send := sink.Send(wrapperspb.String("last"))
		flush := sink.Flush()
		wantFailed(s, "there is no place for more", sink.Send(wrapperspb.String("x")), future.ErrPending)
		closed := sink.Close()
		wantPending(s, "the first does not fit", send)
		wantPending(s, "the last waits for it", flush)
		wantPending(s, "the end waits for it", closed)
		room(p)
		wantResolved(s, "there is room", send)
		wantResolved(s, "there is room", flush)
		wantResolved(s, "there is room", closed)
	})
}

// To turn it off flushes.
func TestEnhanceBatchTurnedOff(t *testing.T) {
	narrow(t, func(s *scene, p *h2peer.Peer, sink *clientfuture.Sink[text]) {
		sink.EnhanceBatch(true)
		wantResolved(s, "kept back", sink.Send(wrapperspb.String("a")))
		sink.EnhanceBatch(false)
		send := sink.Send(wrapperspb.String("b"))
		wantPending(s, "it is about this message again", send)
		room(p)
		wantResolved(s, "there is room", send)
		p.WantMessage("in order", 1, false, encoded("a"))
		p.WantMessage("in order", 1, false, encoded("b"))
		wantResolved(s, "as ever", sink.Send(wrapperspb.String("c")))
		p.WantMessage("in order", 1, false, encoded("c"))
	})
}

// What is kept back when the call ends cannot be sent any more: Close says so.
func TestWhatIsKeptBackIsLost(t *testing.T) {
	play(t, func(s *scene) {
		sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		sink.EnhanceBatch(true)
		wantResolved(s, "kept back", sink.Send(wrapperspb.String("a")))
		s.advance(time.Second)
		wantCode(s, "the server did not wait", res.Future, cqrpc.CodeAborted)
		wantCode(s, "a message is lost", sink.Close(), cqrpc.CodeAborted)

		sink, res = clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		s.advance(time.Second)
		wantCode(s, "the server did not wait", res.Future, cqrpc.CodeAborted)
		wantResolved(s, "nothing is lost", sink.Close())
	}, server.ClientStream(clientStream, func(context.Context, *server.Receiver[text]) (*text, error) {
		time.Sleep(time.Second) // fake clock
		return nil, cqrpc.Errorf(cqrpc.CodeAborted, "enough")
	}))
}

// SendAll sends everything in order, as a batch, and leaves the sink open
// (grpc-rs client_send_all).
func TestSendAll(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			play(t, func(s *scene) {
				sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
				var want []string
				err := sink.SendAll(s.Context(), func(yield func(*text) bool) {
					for i := range n {
						want = append(want, fmt.Sprint(i))
						if !yield(wrapperspb.String(fmt.Sprint(i))) {
							return
						}
					}
				})
				if err != nil {
					t.Error(err)
				}
				wantResolved(s, "the sink is open", sink.Send(wrapperspb.String("end")))
				wantResolved(s, "half-closed", sink.Close())
				s.wantText("all in order", res.Future, strings.Join(append(want, "end"), ","))
			}, join())
		})
	}
}

func TestSendAllStopsWhenTheCallEnds(t *testing.T) {
	play(t, func(s *scene) {
		sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream)
		drawn := 0
		err := sink.SendAll(s.Context(), func(yield func(*text) bool) {
			for ; yield(wrapperspb.String("x")); drawn++ {
				synctest.Wait()
			}
		})
		if cqrpc.CodeOf(err) != cqrpc.CodeAborted || drawn > 3 {
			t.Errorf("SendAll = %v after %d messages", err, drawn)
		}
		wantCode(s, "the status", res.Future, cqrpc.CodeAborted)
	}, server.ClientStream(clientStream, func(_ context.Context, in *server.Receiver[text]) (*text, error) {
		_, _ = in.Recv()
		return nil, cqrpc.Errorf(cqrpc.CodeAborted, "enough")
	}))
}

func TestSendAllStopsWhenItsContextEnds(t *testing.T) {
	narrow(t, func(s *scene, _ *h2peer.Peer, sink *clientfuture.Sink[text]) {
		ctx, cancel := context.WithCancel(s.Context())
		done := make(chan error)
		go func() {
			done <- sink.SendAll(ctx, slices.Values([]*text{wrapperspb.String(strings.Repeat("x", 1<<20)), {}}))
		}()
		synctest.Wait()
		cancel()
		if err := <-done; err != context.Canceled {
			t.Errorf("SendAll = %v", err)
		}
	})
}
