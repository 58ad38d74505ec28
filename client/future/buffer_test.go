package future_test

import (
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/shared"
)

// One message goes out on many calls, kept back or not, compressed or not, and is
// marshalled once. The buffer is as it was, and nobody's but the application's.
func TestSendBuffer(t *testing.T) {
	play(t, func(s *scene) {
		k := shared.NewCodec()
		to := strings.Repeat("to all ", 100)
		b := shared.Text(s, k, to)
		before := string(b.Bytes())
		for i := range 8 {
			opts := []client.CallOption{client.WithCallCodec(k)}
			if i%4 < 2 {
				opts = append(opts, client.WithCompressor("gzip"))
			}
			sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream, opts...)
			sink.EnhanceBatch(i%2 == 0)
			wantResolved(s, "sent", sink.SendBuffer(b.Ref(), call.NoCompress))
			wantResolved(s, "sent, or kept back", sink.SendBuffer(b.Ref(), call.BufferHint))
			wantResolved(s, "all", sink.Close())
			s.wantText("twice", res.Future, to+","+to)
		}
		if n := k.Marshalled(); string(b.Bytes()) != before || n != 1 {
			s.Errorf("the buffer holds %q, marshalled %d times", b.Bytes(), n)
		}
		b.Free()
	}, join())
}

// A buffer that is refused, or whose call dies, is freed.
func TestSendBufferThatFails(t *testing.T) {
	narrow(t, func(s *scene, p *h2peer.Peer, sink *clientfuture.Sink[text]) {
		b := shared.Text(s, codec.Proto(), "a")
		wantFailed(s, "nil", sink.SendBuffer(nil), call.ErrInvalidMessage)
		wantFailed(s, "a flag that no message has", sink.SendBuffer(b.Ref(), call.WaitForReady), call.ErrInvalidFlags)
		first, second := sink.SendBuffer(b.Ref()), sink.SendBuffer(b.Ref())
		wantPending(s, "there is no room", first)
		wantPending(s, "nor for what comes behind", second)
		wantFailed(s, "a third is too much", sink.SendBuffer(b.Ref()), future.ErrPending)
		room(p)
		wantResolved(s, "there is room", first)
		wantResolved(s, "there is room", second)
		p.WantMessage("in order", 1, false, b.Bytes())
		p.WantMessage("in order", 1, false, b.Bytes())
		sink.Close()
		wantFailed(s, "closed", sink.SendBuffer(b.Ref()), future.ErrClosed)
		b.Free()
	})
	narrow(t, func(s *scene, _ *h2peer.Peer, sink *clientfuture.Sink[text]) {
		b := shared.Text(s, codec.Proto(), "a")
		sink.EnhanceBatch(true)
		wantResolved(s, "kept back", sink.SendBuffer(b.Ref()))
		wantResolved(s, "the one before fits the buffer", sink.SendBuffer(b.Ref()))
		waiting := sink.Flush()
		wantPending(s, "there is no room", waiting)
		wantResolved(s, "kept back", sink.SendBuffer(b.Ref()))
		sink.Cancel()
		wantCode(s, "cancelled", waiting, cqrpc.CodeCanceled)
		wantCode(s, "too late", sink.SendBuffer(b.Ref()), cqrpc.CodeCanceled)
		b.Free()
	})
	play(t, func(s *scene) {
		b := shared.Text(s, codec.Proto(), "more than ten")
		sink, res := clientfuture.ClientStream(s.Context(), s.stub, clientStream, client.WithMaxSendMessage(10))
		wantCode(s, "over the limit", sink.SendBuffer(b.Ref()), cqrpc.CodeResourceExhausted)
		wantCode(s, "likewise", res.Future, cqrpc.CodeResourceExhausted)
		b.Free()
	}, join())
	explosive(t, func(s *scene, stub *clientfuture.Stub, _ func(func())) {
		b := shared.Text(s, codec.Proto(), "bomb")
		sink, res := clientfuture.ClientStream(s.Context(), stub, clientStream, client.WithCompressor("bomb"))
		if v := recovered(func() { sink.SendBuffer(b.Ref()) }); v != "boom" {
			t.Errorf("the panic of SendBuffer: %v", v)
		}
		wantResolved(s, "as it is", sink.SendBuffer(b.Ref(), call.NoCompress))
		sink.Close()
		s.wantText("but the one", res.Future, "bomb")
		b.Free()
	})
}
