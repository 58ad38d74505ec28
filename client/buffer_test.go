package client

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/h2peer"
)

// unmarshalled is the codec of bytes for calls that must not marshal.
type unmarshalled struct {
	codec.Codec
	t *testing.T
}

func (u unmarshalled) Append(dst []byte, _ any) ([]byte, error) {
	u.t.Error("a message was marshalled")
	return dst, nil
}

// sender is what both streams that send have.
type sender interface {
	SendBuffer(b *call.Buffer, flags ...call.Flags) error
	Close()
}

// shared is a message encoded once.
func shared(t testing.TB, s string) *call.Buffer {
	t.Helper()
	b, err := call.Encode(codec.Bytes(), []byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// One message goes out on calls of both shapes, compressed or not. The buffer is as
// it was, and nobody's but the application's.
func TestSendBuffer(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		text := strings.Repeat("to all ", 100)
		b := shared(s, text)
		quiet := WithCallCodec(unmarshalled{codec.Bytes(), s.T})
		id := uint32(1)
		for _, comp := range []string{"identity", "gzip"} {
			opts := []CallOption{quiet, WithCompressor(comp)}
			for _, open := range []func() sender{
				func() sender { return s.clientStream(opts...) }, func() sender { return s.bidiStream(opts...) },
			} {
				stream := open()
				p.Until("opened", func(f h2peer.Frame) bool { return f.Type == http2.FrameHeaders })
				if err := stream.SendBuffer(b.Ref()); err != nil {
					s.Fatal("SendBuffer:", err)
				}
				if comp == "gzip" {
					p.Until("compressed", func(f h2peer.Frame) bool { return f.Type == http2.FrameData && f.Payload[0] == 1 })
				} else {
					p.WantMessage("as it is", id, false, []byte(text))
				}
				if err := stream.SendBuffer(b.Ref(), call.NoCompress); err != nil {
					s.Fatal("SendBuffer:", err)
				}
				p.WantMessage("as it is", id, false, []byte(text))
				stream.Close()
				p.WantRST("given up", id, http2.ErrCodeCancel)
				id += 2
			}
		}
		if string(b.Bytes()) != text {
			s.Errorf("the buffer holds %q", b.Bytes())
		}
		b.Free()
	})
}

// A buffer that is refused, or whose call dies, is freed.
func TestSendBufferThatFails(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		b := shared(s, unbuffered)
		stream := s.bidiStream()
		p.WantRequest("opened", 1, bidiMethod.Name)
		s.wantError("nil", stream.SendBuffer(nil), cqrpc.CodeInternal, "the buffer is nil")
		s.wantError("a flag that no message has", stream.SendBuffer(b.Ref(), call.WaitForReady),
			cqrpc.CodeInternal, "invalid flags")
		sent := make(chan error, 1)
		go func() { sent <- stream.SendBuffer(b.Ref()) }()
		synctest.Wait()
		s.wantError("a second", stream.SendBuffer(b.Ref()), cqrpc.CodeInternal, "another goroutine is sending")
		p.TrailersOnly(1, 7)
		if err := <-sent; err != io.EOF {
			s.Errorf("SendBuffer = %v as the call ended; want io.EOF", err)
		}
		if err := stream.SendBuffer(b.Ref()); err != io.EOF {
			s.Errorf("SendBuffer after the end = %v; want io.EOF", err)
		}
		_, err := stream.Recv()
		s.wantError("the reason", err, cqrpc.CodePermissionDenied)

		limited := s.clientStream(WithMaxSendMessage(10))
		if err := limited.SendBuffer(b.Ref()); err != io.EOF {
			s.Errorf("SendBuffer over the limit = %v; want io.EOF", err)
		}
		_, err = limited.CloseAndRecv()
		s.wantError("the reason", err, cqrpc.CodeResourceExhausted)

		closed := s.bidiStream()
		if err := closed.CloseSend(); err != nil {
			s.Error(err)
		}
		if err := closed.SendBuffer(b.Ref()); err != io.EOF {
			s.Errorf("SendBuffer after CloseSend = %v; want io.EOF", err)
		}
		closed.Close()
		b.Free()
	})
}
