package reactor_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/shared"
)

// One message goes out on many calls, as the first before StartCall and later,
// compressed or not, and is marshalled once. The buffer is as it was, and nobody's
// but the application's.
func TestStartWriteBuffer(t *testing.T) {
	play(t, func(s *scene) {
		k := shared.NewCodec()
		b := shared.Text(s, k, strings.Repeat("to all ", 100))
		before := string(b.Bytes())
		for range 3 {
			for _, comp := range []string{"identity", "gzip"} {
				w := newSender(s, nil, client.WithCallCodec(k), client.WithCompressor(comp))
				left := 2
				w.onWrite = func(bool) {
					if left--; left == 0 {
						w.StartWritesDone()
						return
					}
					w.StartWriteBuffer(b.Ref(), call.BufferHint)
				}
				w.StartWriteBuffer(b.Ref())
				w.StartCall()
				w.want("two and the end", "write true", "write true", "writes done true", "done OK")
				if want := strings.Repeat("to all ", 200); w.res.Value != want {
					s.Errorf("the server got %q", w.res.Value)
				}
			}
		}
		if n := k.Marshalled(); string(b.Bytes()) != before || n != 1 {
			s.Errorf("the buffer holds %q, marshalled %d times", b.Bytes(), n)
		}
		b.Free()
	})
}

// A buffer that is refused is freed; the mistake ends the call, as with StartWrite.
func TestMisuseOfStartWriteBuffer(t *testing.T) {
	x := wrapperspb.String("x")
	for _, c := range []struct {
		name string
		do   func(k *talker, b *call.Buffer)
		want string
	}{
		{
			"second", func(k *talker, b *call.Buffer) { k.StartWriteBuffer(b.Ref()); k.StartWriteBuffer(b.Ref()) },
			"StartWriteBuffer while one is outstanding",
		},
		{
			"behind a message", func(k *talker, b *call.Buffer) { k.StartWrite(x); k.StartWriteBuffer(b.Ref()) },
			"StartWriteBuffer while one is outstanding",
		},
		{
			"after the last", func(k *talker, b *call.Buffer) { k.StartWriteLast(x); k.StartWriteBuffer(b.Ref()) },
			"StartWriteBuffer after the last write",
		},
		{"nil", func(k *talker, _ *call.Buffer) { k.StartWriteBuffer(nil) }, "StartWriteBuffer(nil)"},
		{
			"flags", func(k *talker, b *call.Buffer) { k.StartWriteBuffer(b.Ref(), call.WaitForReady) },
			"call: SEND_MESSAGE: invalid flags",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(s *scene) {
				b := shared.Text(s, codec.Proto(), "b")
				defer b.Free()
				k := newTalker(s)
				k.AddHold()
				c.do(k, b)
				k.StartCall()
				k.RemoveHold()
				k.wantDone("told by OnDone", cqrpc.CodeInternal, "reactor: "+c.want)
			})
			play(t, func(s *scene) {
				b := shared.Text(s, codec.Proto(), "b")
				defer b.Free()
				k := newTalker(s)
				k.onWrite = func(bool) {
					k.onWrite = nil
					k.StartRead(&k.res)
				}
				k.onRead = func(bool) {
					k.onRead = nil
					c.do(k, b)
				}
				k.AddHold()
				k.StartWrite(x)
				k.StartCall()
				s.wait()
				k.RemoveHold()
				k.wantDone("in a reaction", cqrpc.CodeInternal, "reactor: "+c.want)
			})
		})
	}
}

// A buffer that comes too late, or whose call dies, is freed.
func TestStartWriteBufferOfACallThatDies(t *testing.T) {
	play(t, func(s *scene) {
		b := shared.Text(s, codec.Proto(), strings.Repeat("x", 1<<20))
		defer b.Free()
		k := newTalker(s, client.WithMaxSendMessage(1<<19))
		k.StartWriteBuffer(b.Ref())
		k.StartCall()
		k.wantDone("over the limit", cqrpc.CodeResourceExhausted, "*")
		k.StartWriteBuffer(b.Ref())

		k = newTalker(s)
		k.StartWriteBuffer(b.Ref())
		k.TryCancel()
		k.StartCall()
		k.wantDone("cancelled before it has started", cqrpc.CodeCanceled, "*")
	})
	play(t, func(s *scene) {
		b := shared.Text(s, codec.Proto(), "b")
		defer b.Free()
		k := newTalker(s)
		k.StartCall()
		k.StartWriteBuffer(b.Ref())
		k.wantDone("without a hold", cqrpc.CodeInternal, "*")
	}, deaf) // who answers the half-close may be quicker
}
