package reactor_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/shared"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// member is one of those that a broadcast goes to.
type member struct {
	reactor.WriteBase[text]
	written atomic.Int32
}

func (m *member) OnWriteDone(ok bool) {
	if ok && m.written.Add(1) == 2 {
		m.Finish(cqrpc.Status{})
	}
}

// One message goes to many streams and is marshalled once, before their handlers
// have returned and later. The buffer is as it was, and nobody's but the
// application's.
func TestStartWriteBuffer(t *testing.T) {
	k := shared.NewCodec()
	play(t, func(s *stage) {
		k.Marshalled() // of the round before
		b := shared.Text(s, k, "to all")
		var mu sync.Mutex
		var members []*member
		s.serve(reactor.ServerStream(serverStream, func(*reactor.Context, *text) reactor.WriteReactor[text] {
			m := new(member)
			m.StartWriteBuffer(b.Ref())
			mu.Lock()
			defer mu.Unlock()
			members = append(members, m)
			return m
		}, s.opts...))
		const streams = 200
		for i := range uint32(streams) {
			s.Request(2*i+1, serverStream.Name)
			s.WriteMessage(2*i+1, true, nil)
		}
		synctest.Wait()
		if len(members) != streams {
			s.Fatalf("%d members", len(members))
		}
		for _, m := range members {
			m.StartWriteBuffer(b.Ref(), call.BufferHint)
		}
		got := make(map[uint32]string)
		for range streams {
			s.Until("a status", func(f frame) bool {
				if f.Type == http2.FrameData {
					got[f.StreamID] += string(f.Payload)
				}
				return f.Value("grpc-status") == "0"
			})
		}
		want := strings.Repeat("\x00\x00\x00\x00\x08"+string(encoded("to all")), 2)
		for id, data := range got {
			if data != want {
				s.Errorf("stream %d got %q", id, data)
			}
		}
		if n := k.Marshalled(); len(got) != streams || string(b.Bytes()) != string(encoded("to all")) || n != 1 {
			s.Errorf("%d streams, the buffer holds %q, marshalled %d times", len(got), b.Bytes(), n)
		}
		b.Free()
	}, server.WithCodecs(k))
}

// A buffer that is refused is freed; the mistake ends the call, as with StartWrite.
func TestMisuseOfStartWriteBuffer(t *testing.T) {
	x := wrapperspb.String("x")
	for name, c := range map[string]struct {
		do   func(r *subject, b *call.Buffer)
		want string
	}{
		"second": {
			func(r *subject, b *call.Buffer) { r.StartWriteBuffer(b.Ref()); r.StartWriteBuffer(b.Ref()) },
			"reactor: StartWriteBuffer while one is outstanding",
		},
		"behind a message": {
			func(r *subject, b *call.Buffer) { r.StartWrite(x); r.StartWriteBuffer(b.Ref()) },
			"reactor: StartWriteBuffer while one is outstanding",
		},
		"after the last": {
			func(r *subject, b *call.Buffer) { r.StartWriteLast(x); r.StartWriteBuffer(b.Ref()) },
			"reactor: StartWriteBuffer after the last one",
		},
		"nil": {func(r *subject, _ *call.Buffer) { r.StartWriteBuffer(nil) }, "reactor: StartWriteBuffer(nil)"},
		"flags": {
			func(r *subject, b *call.Buffer) { r.StartWriteBuffer(b.Ref(), call.WaitForReady) },
			"cannot send response: call: SEND_MESSAGE: invalid flags",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, isEarly := range []bool{true, false} {
				play(t, func(s *stage) {
					b := shared.Text(s, codec.Proto(), "b")
					defer b.Free()
					s.bidi(func(r *subject) {
						if isEarly {
							c.do(r, b)
							return
						}
						r.onRead = func(bool) { // what it starts is outstanding until it returns
							r.onRead = nil
							c.do(r, b)
						}
						r.StartRead(&r.req)
					})
					s.Request(1, bidi.Name)
					s.WriteMessage(1, false, encoded("x"))
					var status, message string
					s.Until("the end", func(f frame) bool {
						status, message = f.Value("grpc-status"), f.Value("grpc-message")
						return status != "" || f.Type == http2.FrameRSTStream
					})
					if status != "" && (status != "13" || message != c.want) {
						s.Errorf("status %s %q, want %q", status, message, c.want)
					}
					s.ended("OnDone comes")
				})
			}
		})
	}
}

// A buffer that comes too late, or whose call dies, is freed.
func TestStartWriteBufferOfACallThatDies(t *testing.T) {
	play(t, func(s *stage) {
		b := shared.Text(s, codec.Proto(), strings.Repeat("x", 1<<17))
		defer b.Free()
		latest := s.bidi(func(r *subject) { r.StartWriteBuffer(b.Ref()) })
		s.Request(1, bidi.Name)
		s.want("there is no window for all")
		s.WriteRST(1, http2.ErrCodeCancel)
		latest().Finish(ok)
		latest().StartWriteBuffer(b.Ref())
		s.want("the client is gone", "write false", "cancel true", "done")
		latest().StartWriteBuffer(b.Ref())
		s.want("after the end nothing happens")
	})
	play(t, func(s *stage) {
		b := shared.Text(s, codec.Proto(), "more than ten")
		defer b.Free()
		s.bidi(func(r *subject) { r.StartWriteBuffer(b.Ref()) })
		s.Request(1, bidi.Name)
		s.Until("over the limit", func(f frame) bool { return f.Value("grpc-status") == "8" })
		s.ended("it is finished by the library")
	}, server.WithMaxSendMessage(10))
}

// The call's compressor applies, and leaves the buffer alone; one that panics ends
// the call.
func TestStartWriteBufferCompressed(t *testing.T) {
	play(t, func(s *stage) {
		b := shared.Text(s, codec.Proto(), strings.Repeat("x", 1000))
		defer b.Free()
		before := string(b.Bytes())
		s.bidi(func(r *subject) {
			r.onWrite = func(bool) {
				r.onWrite = nil
				r.StartWriteBuffer(b.Ref(), call.NoCompress)
				r.Finish(ok)
			}
			r.StartWriteBuffer(b.Ref())
		})
		s.Request(1, bidi.Name, "grpc-accept-encoding", "gzip")
		s.WantResponse("the header", 1)
		s.Until("a compressed message", func(f frame) bool {
			return f.Type == http2.FrameData && len(f.Payload) < 100 && f.Payload[0] == 1
		})
		s.WantMessage("as it is", 1, false, b.Bytes())
		s.WantTrailers("the end", 1, 0)
		if string(b.Bytes()) != before {
			s.Error("the buffer was changed")
		}
		s.ended("OnDone comes")
	}, server.WithCompressor("gzip"))
	play(t, func(s *stage) {
		b := shared.Text(s, codec.Proto(), "x")
		defer b.Free()
		s.bidi(func(r *subject) { r.StartWriteBuffer(b.Ref()) })
		s.Request(1, bidi.Name, "grpc-accept-encoding", "bomb")
		s.Until("the end", func(f frame) bool { return f.Value("grpc-status") == "13" })
		s.ended("OnDone comes")
		if len(s.panics) != 1 {
			s.Errorf("reported %v", s.panics)
		}
	}, server.WithCompressors(codec.NewCompressors(bomb{})), server.WithCompressor("bomb"))
}

// bomb is a compressor that panics.
type bomb struct{}

func (bomb) Name() string                                      { return "bomb" }
func (bomb) Compress([]byte, []byte) ([]byte, error)           { panic("boom") }
func (bomb) Decompress(dst, src []byte, _ int) ([]byte, error) { return append(dst, src...), nil }
