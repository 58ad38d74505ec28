package server_test

import (
	"context"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/server"
)

// A client that begins messages and never ends them gets no more memory than there is,
// and does not keep it from others.
func TestMaxUnread(t *testing.T) {
	const part = 16 << 10
	begun := append([]byte{0, 0, 1, 0, 0}, make([]byte, part-5)...) // of a message of 64 KiB
	bubble(t, func(t *testing.T) {
		s := server.New(server.WithMaxUnread(4 * part))
		got := make(chan int, 1)
		if err := s.Register(server.BidiStream(bidi,
			func(_ context.Context, in *server.Receiver[text], _ *server.Sender[text]) error {
				m, err := in.Recv()
				if err == nil {
					got <- len(m.Value)
				}
				return err
			})); err != nil {
			t.Fatal(err)
		}
		x := serve(t, s)
		greedy := x.dial()
		for i := range uint32(4) {
			greedy.Request(2*i+1, bidi.Name)
			greedy.WriteData(2*i+1, false, begun)
		}
		wantStats(t, "full", s, server.Stats{Connections: 1, Streams: 4, Handling: 4, Unread: 4 * part})
		greedy.Request(9, bidi.Name)
		greedy.WriteData(9, false, begun)
		greedy.WantTrailers("no room", 9, int(cqrpc.CodeResourceExhausted))
		greedy.WantRST("nothing more is read", 9, http2.ErrCodeNo)
		wantStats(t, "one too many", s, server.Stats{Connections: 1, Streams: 4, Handling: 4, Unread: 4 * part})

		modest := x.dial()
		modest.Request(1, bidi.Name)
		modest.WriteData(1, false, begun)
		wantStats(t, "its share", s, server.Stats{Connections: 2, Streams: 5, Handling: 5, Unread: 5 * part})
		modest.WriteData(1, false, make([]byte, part))
		modest.WriteData(1, false, make([]byte, part))
		modest.WantTrailers("more than its share", 1, int(cqrpc.CodeResourceExhausted))
		modest.WantRST("nothing more is read", 1, http2.ErrCodeNo)
		modest.Request(3, bidi.Name)
		whole := encoded(strings.Repeat("x", part))
		modest.WriteMessage(3, true, whole)
		modest.WantTrailers("served", 3, 0)
		if n := <-got; n != part {
			t.Errorf("%d bytes arrived", n)
		}
		greedy.Close()
		modest.Close()
		wantStats(t, "both left", s, server.Stats{})
	})
}
