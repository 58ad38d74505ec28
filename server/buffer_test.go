package server_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/shared"
	"github.com/cqrpc/cqrpc/server"
)

// One message goes to many handlers' streams, compressed or not, and is marshalled
// once. The buffer is as it was, and nobody's but the application's.
func TestSendBuffer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := shared.NewCodec()
		s := server.New(server.WithCodecs(k), server.WithCompressor("gzip"))
		b := shared.Text(t, k, strings.Repeat("x", 1000))
		said := make(chan struct{})
		if err := s.Register(server.BidiStream(bidi, func(
			_ context.Context, _ *server.Receiver[text], out *server.Sender[text],
		) error {
			<-said
			if err := out.SendBuffer(b.Ref()); err != nil {
				return err
			}
			return out.SendBuffer(b.Ref(), call.NoCompress)
		})); err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		const streams = 200
		for i := range uint32(streams) {
			p.Request(2*i+1, bidi.Name, "grpc-accept-encoding", []string{"gzip", "identity"}[i%2])
		}
		p.WriteWindowUpdate(0, 1<<20)
		synctest.Wait()
		close(said)
		got := make(map[uint32]string)
		for range streams {
			p.Until("a status", func(f h2frame) bool {
				if f.Type == http2.FrameData {
					got[f.StreamID] += string(f.Payload)
				}
				return f.Value("grpc-status") == "0"
			})
		}
		plain := "\x00\x00\x00\x03\xeb" + string(b.Bytes())
		for id, data := range got {
			head, isPlain := strings.CutSuffix(data, plain)
			isZipped := head[0] == 1 && len(head) < 100
			if acceptsZip := id%4 == 1; !isPlain || isZipped != acceptsZip || !isZipped && head != plain {
				t.Errorf("stream %d got %d bytes before the second message", id, len(head))
			}
		}
		if n := k.Marshalled(); len(got) != streams || n != 1 || string(b.Bytes()) != string(encoded(strings.Repeat("x", 1000))) {
			t.Errorf("%d streams, marshalled %d times, the buffer holds %d bytes", len(got), n, b.Len())
		}
		b.Free()
	})
}

// A buffer that is refused, or whose call dies, is freed.
func TestSendBufferThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := shared.Text(t, codec.Proto(), strings.Repeat("x", 1<<17))
		errs := make(chan error, 5)
		p := serveHandlers(t, server.BidiStream(bidi, func(
			_ context.Context, _ *server.Receiver[text], out *server.Sender[text],
		) error {
			errs <- out.SendBuffer(nil)
			errs <- out.SendBuffer(b.Ref(), call.WaitForReady)
			for range 3 {
				errs <- out.SendBuffer(b.Ref())
			}
			return nil
		})).dial()
		p.Request(1, bidi.Name)
		wantError(t, "nil", errs, cqrpc.CodeInternal, "the buffer is nil")
		wantError(t, "a flag that no message has", errs, cqrpc.CodeInternal, "invalid flags")
		wantError(t, "it is on its way", errs, cqrpc.CodeOK, "")
		p.WriteRST(1, http2.ErrCodeCancel)
		wantError(t, "the call is over", errs, cqrpc.CodeCanceled, "")
		wantError(t, "told already", errs, cqrpc.CodeOK, "")
		b.Free()
	})
	bubble(t, func(t *testing.T) {
		b := shared.Text(t, codec.Proto(), "more than ten")
		errs := make(chan error, 2)
		s := server.New(server.WithMaxSendMessage(10))
		if err := s.Register(server.BidiStream(bidi, func(
			_ context.Context, _ *server.Receiver[text], out *server.Sender[text],
		) error {
			errs <- out.SendBuffer(b.Ref())
			errs <- out.SendBuffer(b.Ref())
			return nil
		})); err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.Request(1, bidi.Name)
		wantError(t, "started", errs, cqrpc.CodeOK, "")
		wantError(t, "the first was over the limit", errs, cqrpc.CodeResourceExhausted, "larger than max")
		p.Until("the end", func(f h2frame) bool { return f.Value("grpc-status") == "8" })
		b.Free()
	})
}

// wantError wants the next error to have a code and words in it.
func wantError(t *testing.T, why string, errs <-chan error, code cqrpc.Code, words string) {
	t.Helper()
	synctest.Wait()
	if err := <-errs; cqrpc.CodeOf(err) != code || err != nil && !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %v, want %v with %q", why, err, code, words)
	}
}
