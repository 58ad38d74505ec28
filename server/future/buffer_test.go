package future_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/shared"
	"github.com/cqrpc/cqrpc/server"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

// One message goes to many sinks, kept back or not, and is marshalled once. The
// buffer is as it was, and nobody's but the application's.
func TestSendBuffer(t *testing.T) {
	k := shared.NewCodec()
	var sinks []*serverfuture.Sink[text]
	var joined atomic.Int32
	member := onBidi(func(_ *serverfuture.Context, _ *serverfuture.Stream[text], sink *serverfuture.Sink[text]) {
		sinks[joined.Add(1)-1] = sink
	})
	playWith(t, []server.Option{server.WithCodecs(k)}, handlers(member), func(s *scene) {
		const streams = 200
		sinks = make([]*serverfuture.Sink[text], streams)
		p := s.peer()
		for i := range uint32(streams) {
			p.Request(2*i+1, bidi.Name)
		}
		p.WantIdle("nobody has answered")
		b := shared.Text(s, k, "to all")
		for i, sink := range sinks {
			sink.EnhanceBatch(i%2 == 0)
			wantResolved(s, "the first goes out at once", sink.SendBuffer(b.Ref(), call.BufferHint))
			wantResolved(s, "written, or kept back", sink.SendBuffer(b.Ref()))
			wantResolved(s, "all", sink.Close())
		}
		for range streams {
			id := uint32(0)
			p.Until("a response", func(f h2peer.Frame) bool { id = f.StreamID; return f.Type == http2.FrameHeaders })
			p.WantMessage("the message", id, false, encoded("to all"))
			p.WantMessage("and again", id, false, encoded("to all"))
			p.WantTrailers("the end", id, 0)
			p.WantRST("the client had not ended", id, http2.ErrCodeNo)
		}
		if n := k.Marshalled(); string(b.Bytes()) != string(encoded("to all")) || n != 1 {
			s.Errorf("the buffer holds %q, marshalled %d times", b.Bytes(), n)
		}
		b.Free()
	})
}

// A buffer that is refused, or whose call dies, is freed.
func TestSendBufferThatFails(t *testing.T) {
	var k keep
	play(t, handlers(k.bidi()), func(s *scene) {
		b := shared.Text(s, codec.Proto(), "a")
		defer b.Free()
		p := s.peer(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		p.Request(1, bidi.Name)
		p.WantIdle("nobody has answered")
		wantFailed(s, "nil", k.sink.SendBuffer(nil), call.ErrInvalidMessage)
		wantFailed(s, "a flag that no message has", k.sink.SendBuffer(b.Ref(), call.WaitForReady), call.ErrInvalidFlags)
		first, second := k.sink.SendBuffer(b.Ref()), k.sink.SendBuffer(b.Ref())
		wantPending(s, "there is no room", first)
		wantPending(s, "one at a time", second)
		wantFailed(s, "a third is too much", k.sink.SendBuffer(b.Ref()), future.ErrPending)
		p.WriteRST(1, http2.ErrCodeCancel)
		wantCode(s, "the call is over", first, cqrpc.CodeCanceled)
		wantCode(s, "likewise", second, cqrpc.CodeCanceled)
		wantCode(s, "too late", k.sink.SendBuffer(b.Ref()), cqrpc.CodeCanceled)
		k.sink.Close()
		wantFailed(s, "closed", k.sink.SendBuffer(b.Ref()), future.ErrClosed)

		p.Request(3, bidi.Name)
		p.WriteWindowUpdate(3, 100)
		p.Until("the responses so far", func(f h2peer.Frame) bool { return f.Type == http2.FrameHeaders })
		k.sink.EnhanceBatch(true)
		wantResolved(s, "the first goes out", k.sink.SendBuffer(b.Ref()))
		wantResolved(s, "kept back", k.sink.SendBuffer(b.Ref()))
		p.WriteRST(3, http2.ErrCodeCancel)
		synctest.Wait()
		wantCode(s, "lost", k.sink.Flush(), cqrpc.CodeCanceled)
		k.sink.Close()
	})
	playWith(t, []server.Option{server.WithMaxSendMessage(10)}, handlers(k.bidi()), func(s *scene) {
		b := shared.Text(s, codec.Proto(), "more than ten")
		defer b.Free()
		p := s.peer()
		p.Request(1, bidi.Name)
		p.WantIdle("nobody has answered")
		wantCode(s, "over the limit", k.sink.SendBuffer(b.Ref()), cqrpc.CodeResourceExhausted)
		p.Until("the end", func(f h2peer.Frame) bool { return f.Value("grpc-status") == "8" })
		k.sink.Close()
	})
}

// The call's compressor applies, and leaves the buffer alone; one that panics fails
// the message.
func TestSendBufferCompressed(t *testing.T) {
	var k keep
	for comp, flag := range map[string]byte{"gzip": 1, "bomb": 0} {
		opts := []server.Option{server.WithCompressor(comp)}
		if comp == "bomb" {
			opts = append(opts, server.WithCompressors(codec.NewCompressors(bomb{})))
		}
		playWith(t, opts, handlers(k.bidi()), func(s *scene) {
			b := shared.Text(s, codec.Proto(), strings.Repeat("bomb", 300))
			defer b.Free()
			before := string(b.Bytes())
			p := s.peer()
			p.Request(1, bidi.Name, "grpc-accept-encoding", comp)
			p.WantIdle("nobody has answered")
			func() {
				defer func() {
					if v := recover(); (v != nil) != (comp == "bomb") {
						s.Errorf("%s has panicked with %v", comp, v)
					}
				}()
				wantResolved(s, "sent", k.sink.SendBuffer(b.Ref()))
			}()
			wantResolved(s, "sent", k.sink.SendBuffer(b.Ref(), call.NoCompress))
			var sizes []int
			k.sink.Close()
			p.Until("the end", func(f h2peer.Frame) bool {
				if f.Type == http2.FrameData && len(f.Payload) > 0 {
					sizes = append(sizes, len(f.Payload))
					if f.Payload[0] != flag && len(sizes) == 1 {
						s.Errorf("%s: the first message has flag %d", comp, f.Payload[0])
					}
				}
				return f.Value("grpc-status") != ""
			})
			if string(b.Bytes()) != before {
				s.Error("the buffer was changed")
			}
			s.panics = nil
		})
	}
}
