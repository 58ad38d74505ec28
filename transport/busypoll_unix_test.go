//go:build unix

package transport

import (
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// pollingSocket is a socket whose reader polls for so long that it does not wait
// within the test, unless something ends the poll, and the peer's end.
func pollingSocket(t *testing.T) (peer net.Conn, s *rawSocket, last *atomic.Uint64) {
	t.Helper()
	peer, nc := ends(t, "tcp", "127.0.0.1:0")
	b := lonePoll()
	b.most = time.Hour
	b.handled(1)
	s = newRawSocket(nc, nc.(*net.TCPConn))
	s.conn = &Conn{nc: nc, poll: b}
	return peer, s, b.last
}

// TestSocketPolls: when a socket has nothing to read it is asked again before the wait, and not
// after it. Here the poll ends at once, because another reader reads.
func TestSocketPolls(t *testing.T) {
	_, s, last := pollingSocket(t)
	last.Store(2)
	err := s.raw.Control(func(fd uintptr) {
		if s.in.p = make([]byte, 16); s.readOnce(fd) {
			t.Error("there was something to read")
		}
	})
	if err != nil || s.conn.poll.isInTurn {
		t.Errorf("%v, %+v; want a poll that has ended", err, s.conn.poll)
	}
}

// TestReaderPolls: a reader can poll once a message has come, but not because of other frames; when
// it rests it gives that up.
func TestReaderPolls(t *testing.T) {
	for _, tc := range []struct {
		name  string
		write func(w *frame.Writer)
		want  bool
	}{
		{"a message", func(w *frame.Writer) {
			w.HeaderList(1, requestHeaders(), false)
			w.Data(1, nil, []byte{0, 0, 0, 0, 0}, nil, true)
		}, true},
		{"no message", func(w *frame.Writer) { w.WindowUpdate(0, 1) }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			peer, nc := ends(t, "tcp", "127.0.0.1:0")
			h := newTestHandler()
			h.onStream = func(s *Stream, _ *frame.Headers, _ *cq.Lane) { s.Accept(Discard) }
			c := New(Server, nc, Config{}, h)
			w := frame.NewWriter()
			w.Preface()
			w.Settings()
			w.SettingsAck()
			tc.write(w)
			if err := w.Flush(peer); err != nil {
				t.Fatal(err)
			}
			askPing(t, peer, frame.NewReader(peer, frame.ReaderConfig{}), 1, func() {})
			_ = peer.(*net.TCPConn).CloseWrite()
			<-h.closed // the reader has ended
			if got := c.poll != nil; got != tc.want {
				t.Errorf("it is there: %v; want %v", got, tc.want)
			}
		})
	}
	t.Run("at rest", func(t *testing.T) {
		c := &Conn{state: closing, poll: lonePoll(), r: frame.NewReader(strings.NewReader(""), frame.ReaderConfig{})}
		if c.forget(); c.poll != nil {
			t.Error("it is still there")
		}
	})
}

// TestPollReads: what comes during a poll is read and ends it.
func TestPollReads(t *testing.T) {
	peer, s, _ := pollingSocket(t)
	time.AfterFunc(time.Millisecond, func() { _, _ = peer.Write([]byte("frame")) })
	var p [16]byte
	n, err := s.Read(p[:])
	if string(p[:n]) != "frame" || err != nil {
		t.Fatalf("read %q, %v", p[:n], err)
	}
	if b := s.conn.poll; !b.since.IsZero() {
		t.Errorf("a poll goes on: %+v", b)
	}
}

// TestPollEnds: a reader that stops polling waits like any other, for data and for its deadline.
func TestPollEnds(t *testing.T) {
	t.Run("then data", func(t *testing.T) {
		peer, s, last := pollingSocket(t)
		last.Store(2)
		time.AfterFunc(time.Millisecond, func() { _, _ = peer.Write([]byte("frame")) })
		var p [16]byte
		if n, err := s.Read(p[:]); string(p[:n]) != "frame" || err != nil {
			t.Fatalf("read %q, %v", p[:n], err)
		}
	})
	t.Run("then the deadline", func(t *testing.T) {
		_, s, last := pollingSocket(t)
		time.AfterFunc(time.Millisecond, func() { last.Store(2) })
		s.conn.readBy(now() + instant(time.Millisecond))
		if _, err := s.Read(make([]byte, 16)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("error is %v; want %v", err, os.ErrDeadlineExceeded)
		}
	})
	t.Run("then the peer's end", func(t *testing.T) {
		peer, s, _ := pollingSocket(t)
		time.AfterFunc(time.Millisecond, func() { _ = peer.Close() })
		if n, err := s.Read(make([]byte, 16)); n != 0 || err == nil {
			t.Fatalf("read %d octets, %v; want the end", n, err)
		}
	})
}
