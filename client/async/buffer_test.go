package async_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/async"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/shared"
	serverasync "github.com/cqrpc/cqrpc/server/async"
)

// One message goes out on calls of both kinds, compressed or not, corked or not,
// and is marshalled once. The buffer is as it was, and nobody's but the
// application's.
func TestWriteBuffer(t *testing.T) {
	k := shared.NewCodec()
	play(t, func(s *stage) {
		to := strings.Repeat("to all ", 100)
		b := shared.Text(s, k, to)
		for _, opts := range [][]client.CallOption{nil, {client.WithCompressor("gzip")}} {
			d := s.talk(s.Context(), "", opts...)
			for _, flags := range [][]call.Flags{nil, {call.BufferHint, call.NoCompress}} {
				must(s, d.client.WriteBuffer(b.Ref(), "write", flags...))
				must(s, d.server.Read(&d.req, "read"))
				s.want("written", s.cq, "write")
				s.want("it arrives", s.sq, "read")
				if d.req.Value != to {
					s.Errorf("read %q", d.req.Value)
				}
			}
			s.end(d)

			var r serverasync.Reader[text, text]
			var ctx serverasync.Context
			var res text
			must(s, s.clientStream.Request(&ctx, &r, s.sq, s.sq, "request"))
			w := async.PrepareClientStream(s.Context(), s.ch, clientStream, &res, s.cq, opts...)
			must(s, w.StartCallCorked())
			must(s, w.WriteBuffer(b.Ref(), "write"))
			s.want("the header goes with it", s.sq, "request")
			s.want("written", s.cq, "write")
			must(s, r.Read(&d.req, "read"))
			s.want("it arrives", s.sq, "read")
			if d.req.Value != to {
				s.Errorf("read %q", d.req.Value)
			}
			must(s, r.Finish(new(text), cqrpc.Status{}, "finish"))
			must(s, w.Finish(&d.status, "finish"))
			s.want("the end", s.sq, "finish")
			s.want("the end", s.cq, "finish")
		}
		want, _ := proto.Marshal(&text{Value: to})
		if n := k.Marshalled(); n != 1 || string(b.Bytes()) != string(want) {
			s.Errorf("the buffer holds %q, marshalled %d times", b.Bytes(), n)
		}
		b.Free()
	}, client.WithCodec(k))
}

// A buffer that is refused is freed, and the call is as it was.
func TestMisuseOfWriteBuffer(t *testing.T) {
	play(t, func(s *stage) {
		refuse := func(why string, got, want error) { s.Helper(); refuse(s, why, got, want) }
		b := shared.Text(s, codec.Proto(), huge.Value)
		defer b.Free()
		rw := async.PrepareBidiStream(s.Context(), s.ch, bidi, s.cq)
		refuse("before the start", rw.WriteBuffer(b.Ref(), "x"), async.ErrNotStarted)
		must(s, rw.StartCallCorked())
		refuse("nil", rw.WriteBuffer(nil, "x"), call.ErrInvalidMessage)
		rw.TryCancel()
		done := cq.New()
		done.Shutdown()
		rw = async.PrepareBidiStream(s.Context(), s.ch, bidi, done)
		must(s, rw.StartCallCorked())
		refuse("on a queue that is finished", rw.WriteBuffer(b.Ref(), "x"), cq.ErrShutdown)
		rw.TryCancel()

		d := s.talk(s.Context(), "")
		refuse("flag that no message has", d.client.WriteBuffer(b.Ref(), "x", call.WaitForReady), call.ErrInvalidFlags)
		must(s, d.client.WriteBuffer(b.Ref(), "write"))
		refuse("while one is outstanding", d.client.WriteBuffer(b.Ref(), "x"), call.ErrTooManyOperations)
		must(s, d.server.Read(&d.req, "read"))
		s.want("there is room", s.sq, "read")
		s.want("written", s.cq, "write")
		must(s, d.client.WritesDone("half-close"))
		refuse("after WritesDone", d.client.WriteBuffer(b.Ref(), "x"), async.ErrWritesDone)
		must(s, d.client.Finish(&d.status, "finish"))
		refuse("after Finish", d.client.WriteBuffer(b.Ref(), "x"), async.ErrFinished)
		s.end(d)
	})
}

// A buffer whose call dies, or that is over the limit, is freed with its tag.
func TestWriteBufferOfACallThatDies(t *testing.T) {
	play(t, func(s *stage) {
		b := shared.Text(s, codec.Proto(), huge.Value)
		defer b.Free()
		d := s.talk(s.Context(), "")
		must(s, d.client.WriteBuffer(b.Ref(), "write"))
		s.want("there is no window for all", s.cq)
		d.client.TryCancel()
		s.want("given up", s.cq, "!write")
		must(s, d.client.WriteBuffer(b.Ref(), "late"))
		s.want("likewise", s.cq, "!late")
		s.end(d)

		d = s.talk(s.Context(), "", client.WithMaxSendMessage(1<<19))
		must(s, d.client.WriteBuffer(b.Ref(), "write"))
		s.want("over the limit", s.cq, "!write")
		must(s, d.client.Finish(&d.status, "finish"))
		s.want("every call is finished", s.cq, "finish")
		s.wantStatus("over the limit", d.status, cqrpc.CodeResourceExhausted)
		s.end(d)
	})
}
