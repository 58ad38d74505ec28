//go:build unix

package transport

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"
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

// TestPollEnds: a reader that stops polling waits as any other, for data and for
// its deadline.
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
		_ = s.SetReadDeadline(time.Now().Add(time.Millisecond))
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
