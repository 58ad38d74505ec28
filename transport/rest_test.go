//go:build unix

package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
)

// restless is a connection of ours on TCP whose reader rests often, and the
// peer's end, which says nothing by itself.
func restless(t *testing.T, cfg Config) (peer net.Conn, h *testHandler, c *Conn) {
	t.Helper()
	peer, nc := ends(t, "tcp", "127.0.0.1:0")
	h, c = restlessOn(t, cfg, peer, nc)
	return peer, h, c
}

// restlessOn is restless on a connection that is there.
func restlessOn(t *testing.T, cfg Config, peer, nc net.Conn) (h *testHandler, c *Conn) {
	t.Helper()
	cfg.restAfter = time.Millisecond
	h = newTestHandler()
	c = New(Server, nc, cfg, h)
	t.Cleanup(func() {
		c.Close()
		_ = peer.Close()
		c.waitClosed(h)
	})
	w := frame.NewWriter()
	w.Preface()
	w.Settings()
	w.SettingsAck()
	if err := w.Flush(peer); err != nil {
		t.Fatal(err)
	}
	<-h.ready
	return h, c
}

// waitClosed waits for the end, if the test has not been told of it already.
func (c *Conn) waitClosed(h *testHandler) {
	for {
		c.mu.Lock()
		isClosed := c.state == closed
		c.mu.Unlock()
		if isClosed {
			return
		}
		select {
		case <-h.closed:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// waitRest waits until a reader rests: its goroutine was started by a reader.
func waitRest(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for range 10_000 {
		all := string(stacks[:runtime.Stack(stacks, true)])
		for g := range strings.SplitSeq(all, "\n\n") {
			if strings.Contains(g, "created by github.com/cqrpc/cqrpc/transport.(*Conn).restart") &&
				strings.Contains(g, "[IO wait") {
				return
			}
		}
		<-time.After(time.Millisecond)
	}
	t.Fatal("the reader does not rest")
}

// askPing writes a PING in two pieces, with a rest before, between, or neither, and
// waits for the answer.
func askPing(t *testing.T, peer net.Conn, r *frame.Reader, n byte, between func()) {
	t.Helper()
	w := frame.NewWriter()
	w.Ping([8]byte{n})
	var p strings.Builder
	if err := w.Flush(&p); err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{p.String()[:11], p.String()[11:]} {
		if _, err := io.WriteString(peer, piece); err != nil {
			t.Fatal(err)
		}
		between()
	}
	for {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if f.Type == http2.FramePing && f.Ack && f.Ping[0] == n {
			return
		}
	}
}

// A reader that rests goes on as if nothing had been: with frames that come
// whole, or in pieces between which the deadline of a rest passes.
func TestReaderRests(t *testing.T) {
	for _, isSecure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", isSecure), func(t *testing.T) {
			peer, nc := ends(t, "tcp", "127.0.0.1:0")
			if isSecure {
				peer, nc = encrypted(t, peer, nc)
			}
			restlessOn(t, Config{Enforcement: Enforcement{MaxStrikes: -1}}, peer, nc)
			r := frame.NewReader(peer, frame.ReaderConfig{})
			for n := range byte(3) {
				waitRest(t)
				askPing(t, peer, r, n, func() {})
				askPing(t, peer, r, n, func() { <-time.After(5 * time.Millisecond) })
			}
		})
	}
}

// The end of the peer is seen by a reader that rests.
func TestReaderRestsUntilTheEnd(t *testing.T) {
	peer, h, _ := restless(t, Config{})
	waitRest(t)
	_ = peer.(*net.TCPConn).CloseWrite() // Close would reset: we have sent what it has not read
	if err := <-h.closed; !errors.Is(err, ErrPeerClosed) {
		t.Error(err)
	}
}

// Rests do not put off the deadline of a header block.
func TestReaderRestsWithinHeaderTimeout(t *testing.T) {
	peer, h, _ := restless(t, Config{HeaderTimeout: 50 * time.Millisecond})
	waitRest(t)
	if _, err := peer.Write([]byte("\x00\x00\x09\x01\x04\x00\x00\x00\x01\x82")); err != nil {
		t.Fatal(err)
	}
	if err := <-h.closed; err == nil || !strings.Contains(err.Error(), "header block not complete") {
		t.Error(err)
	}
}

// ending closes c, and returns what checks, when c has ended, that it did so when LingerTimeout was
// over, and that nothing has put that off. How much later who reads was told is the machine's affair.
func ending(t *testing.T, c *Conn) (check func()) {
	t.Helper()
	linger := instant(c.cfg.LingerTimeout)
	began := now()
	c.Close()
	end := instant(c.deadline.end.Load())
	if closed := now(); end < began+linger || end > closed+linger {
		t.Errorf("the end is %v after Close; want %v", (end - closed).duration(), linger.duration())
	}
	return func() {
		t.Helper()
		if over := now(); over < end {
			t.Errorf("closed %v before the end", (end - over).duration())
		}
		if got := instant(c.deadline.end.Load()); got != end {
			t.Errorf("the end was put off by %v", (got - end).duration())
		}
	}
}

// Nor is the deadline of the end put off, whether the reader rests or is about to.
func TestReaderRestsWithinLingerTimeout(t *testing.T) {
	for _, before := range []func(){func() { waitRest(t) }, func() {}} {
		_, h, c := restless(t, Config{LingerTimeout: 400 * time.Millisecond})
		before()
		check := ending(t, c)
		if err := <-h.closed; err != nil {
			t.Error(err)
		}
		check()
	}
}
