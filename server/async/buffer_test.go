package async_test

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/shared"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
)

// One message goes to many streams, of both kinds, and is marshalled once. The
// buffer is as it was, and nobody's but the application's.
func TestWriteBuffer(t *testing.T) {
	k := shared.NewCodec()
	play(t, func(s *site) {
		b := shared.Text(s, k, "to all")
		const streams = 300
		for i := range uint32(streams) {
			id := 2*i + 1
			var write, finish func() error
			if i%2 == 0 {
				d := s.talk(id)
				write = func() error { return d.WriteBuffer(b.Ref(), "write") }
				finish = func() error { return d.Finish(ok, "finish") }
			} else {
				var ctx async.Context
				var w async.Writer[text]
				must(s, s.serverStream.Request(&ctx, new(text), &w, nil, s.q, "request"))
				s.peer.Request(id, serverStream.Name)
				s.peer.WriteMessage(id, true, nil)
				s.want("a call", "request")
				write = func() error { return w.WriteBuffer(b.Ref(), "write", call.BufferHint) }
				finish = func() error { return w.Finish(ok, "finish") }
			}
			for range 2 {
				must(s, write())
				s.want("written", "write")
			}
			must(s, finish())
			s.want("an orderly end", "finish")
			s.peer.WantResponse("the first takes the header along", id)
			s.peer.WantMessage("the message", id, false, encoded("to all"))
			s.peer.WantMessage("and again", id, false, encoded("to all"))
			s.peer.WantTrailers("the end", id, 0)
			if i%2 == 0 {
				s.peer.WantRST("the client had not ended", id, http2.ErrCodeNo)
			}
		}
		if n := k.Marshalled(); !bytes.Equal(b.Bytes(), encoded("to all")) || n != 1 {
			s.Errorf("the buffer holds %q, marshalled %d times", b.Bytes(), n)
		}
		b.Free()
	}, server.WithCodecs(k))
}

// A buffer that is refused is freed, and the call is as it was.
func TestMisuseOfWriteBuffer(t *testing.T) {
	play(t, func(s *site) {
		refuse := func(why string, got, want error) { s.Helper(); refuse(s, why, got, want) }
		b := shared.Text(s, codec.Proto(), strings.Repeat("x", 1<<17))
		defer b.Free()
		var rw async.ReaderWriter[text, text]
		refuse("before the call", rw.WriteBuffer(b.Ref(), "x"), async.ErrNotBound)
		refuse("none before the call", rw.WriteBuffer(nil, "x"), async.ErrNotBound)
		d := s.talk(1)
		refuse("nil", d.WriteBuffer(nil, "x"), call.ErrInvalidMessage)
		refuse("flag that no message has", d.WriteBuffer(b.Ref(), "x", call.WaitForReady), call.ErrInvalidFlags)
		must(s, d.WriteBuffer(b.Ref(), "write"))
		refuse("while one is outstanding", d.WriteBuffer(b.Ref(), "x"), call.ErrTooManyOperations)
		refuse("a Write likewise", d.Write(new(text), "x"), call.ErrTooManyOperations)
		s.peer.WriteWindowUpdate(1, 1<<20)
		s.peer.WriteWindowUpdate(0, 1<<20)
		s.want("written", "write")
		must(s, d.WriteLast(new(text), "last"))
		refuse("after WriteLast", d.WriteBuffer(b.Ref(), "x"), async.ErrWritesDone)
		s.want("written", "last")
		must(s, d.Finish(ok, "finish"))
		refuse("after Finish", d.WriteBuffer(b.Ref(), "x"), async.ErrFinished)
		s.want("no tag of any of it", "finish")

		s.peer.Until("the end", func(f h2peer.Frame) bool { return f.Type == http2.FrameRSTStream })

		bound := cq.New()
		bound.Shutdown()
		d = new(talk)
		must(s, s.bidi.Request(&d.ctx, &d.ReaderWriter, bound, s.q, "request"))
		s.peer.Request(3, bidi.Name)
		s.want("a call", "request")
		refuse("on a queue that is finished", d.WriteBuffer(b.Ref(), "x"), cq.ErrShutdown)
		d.ctx.TryCancel()
		s.peer.WantTrailers("nothing was sent", 3, 1)
	})
}

// A buffer whose call dies, or that is over the limit, is freed with its tag.
func TestWriteBufferOfACallThatDies(t *testing.T) {
	play(t, func(s *site) {
		b := shared.Text(s, codec.Proto(), strings.Repeat("x", 1<<17))
		defer b.Free()
		d := s.talk(1)
		must(s, d.WriteBuffer(b.Ref(), "write"))
		s.want("there is no window for all")
		s.peer.WriteRST(1, http2.ErrCodeCancel)
		s.want("the client is gone", "!write")
		must(s, d.WriteBuffer(b.Ref(), "late"))
		s.want("likewise", "!late")
		must(s, d.Finish(ok, "finish"))
		s.want("every call is finished", "!finish")
	})
	play(t, func(s *site) {
		b := shared.Text(s, codec.Proto(), "more than ten")
		defer b.Free()
		d := s.talk(1)
		must(s, d.WriteBuffer(b.Ref(), "write"))
		s.want("over the limit", "!write")
		s.peer.Until("the end", func(f h2peer.Frame) bool { return f.Value("grpc-status") == "8" })
		must(s, d.Finish(ok, "finish"))
		s.want("every call is finished", "!finish")
	}, server.WithMaxSendMessage(10))
}

// The call's compressor applies to each call by itself, or not.
func TestWriteBufferCompressed(t *testing.T) {
	play(t, func(s *site) {
		b := shared.Text(s, codec.Proto(), strings.Repeat("x", 1000))
		defer b.Free()
		for i, accepts := range []string{"identity", "gzip"} {
			id := uint32(2*i + 1)
			d := new(talk)
			must(s, s.bidi.Request(&d.ctx, &d.ReaderWriter, nil, s.q, "request"))
			s.peer.Request(id, bidi.Name, "grpc-accept-encoding", accepts)
			s.want("a call", "request")
			must(s, d.WriteBuffer(b.Ref(), "write"))
			s.want("written", "write")
			must(s, d.WriteBuffer(b.Ref(), "write", call.NoCompress))
			must(s, d.Finish(cqrpc.Status{}, "finish"))
			s.want("written", "write", "finish")
			s.peer.WantResponse("the header", id)
			if accepts == "gzip" {
				s.peer.Until("a compressed message", func(f h2peer.Frame) bool {
					return f.Type == http2.FrameData && len(f.Payload) < 100 && f.Payload[0] == 1
				})
			} else {
				s.peer.WantMessage("as it is", id, false, b.Bytes())
			}
			s.peer.WantMessage("not compressed", id, false, b.Bytes())
			s.peer.WantTrailers("the end", id, 0)
			s.peer.WantRST("the client had not ended", id, http2.ErrCodeNo)
		}
	}, server.WithCompressor("gzip"))
}
