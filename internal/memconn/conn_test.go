package memconn_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/cqrpc/cqrpc/internal/memconn"
)

var errBroken = errors.New("cable cut")

// result is what a Read or Write in a goroutine of its own came back with.
type result struct {
	n    int
	err  error
	took time.Duration // on the bubble's clock
}

// start runs op aside; the result is on the channel once synctest.Wait says
// that nothing moves any more, or never.
func start(op func() (int, error)) <-chan result {
	done := make(chan result, 1)
	begin := time.Now()
	go func() {
		n, err := op()
		done <- result{n, err, time.Since(begin)}
	}()
	synctest.Wait()
	return done
}

func wantPending(t *testing.T, why string, done <-chan result) {
	t.Helper()
	select {
	case r := <-done:
		t.Fatalf("%s: returned %d, %v; want it to wait", why, r.n, r.err)
	default:
	}
}

func wantResult(t *testing.T, why string, done <-chan result, n int, err error) result {
	t.Helper()
	r := <-done
	if r.n != n || !errors.Is(r.err, err) {
		t.Fatalf("%s: returned %d, %v; want %d, %v", why, r.n, r.err, n, err)
	}
	return r
}

// bubble runs f with a fresh connection under the fake clock.
func bubble(t *testing.T, f func(t *testing.T, client, server *memconn.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server := memconn.Pipe()
		defer client.Close()
		defer server.Close()
		f(t, client, server)
	})
}

func readSome(c *memconn.Conn, n int) func() (int, error) {
	return func() (int, error) { return c.Read(make([]byte, n)) }
}

func writeSome(c *memconn.Conn, n int) func() (int, error) {
	return func() (int, error) { return c.Write(make([]byte, n)) }
}

// The contract of net.Conn, as package nettest reads it, on the wall clock.
func TestNetConnContract(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		client, server := memconn.Pipe()
		return client, server, func() { client.Close(); server.Close() }, nil
	})
}

func TestWriteDoesNotWaitForRead(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		big := bytes.Repeat([]byte("x"), 1<<20)
		if n, err := client.Write(big); n != len(big) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
		got := make([]byte, len(big))
		if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, big) {
			t.Fatalf("ReadFull: %v, equal %v", err, bytes.Equal(got, big))
		}
		wantPending(t, "nothing was written the other way", start(readSome(client, 1)))
	})
}

func TestReadBufferSizeForcesShortReads(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		server.SetReadBufferSize(3)
		client.Write([]byte("12345678"))
		var sizes []int
		for total := 0; total < 8; {
			n, err := server.Read(make([]byte, 100))
			if err != nil {
				t.Fatal(err)
			}
			sizes, total = append(sizes, n), total+n
		}
		if want := []int{3, 3, 2}; !slices.Equal(sizes, want) {
			t.Fatalf("reads of %v bytes, want %v", sizes, want)
		}
	})
}

func TestWriteLimitHoldsTheWriter(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		client.SetWriteLimit(4)
		done := start(writeSome(client, 6))
		wantPending(t, "six bytes do not fit in four", done)
		server.Read(make([]byte, 1))
		synctest.Wait()
		wantPending(t, "one byte of room is not enough", done)
		server.Read(make([]byte, 4))
		wantResult(t, "all six are in", done, 6, nil)
		client.SetWriteLimit(0)
		wantResult(t, "no limit any more", start(writeSome(client, 100)), 100, nil)
	})
}

func TestConcurrentWritesAreNotInterleaved(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		client.SetWriteLimit(1)
		a := start(func() (int, error) { return client.Write([]byte("aaaa")) })
		b := start(func() (int, error) { return client.Write([]byte("bbbb")) })
		got := make([]byte, 8)
		if _, err := io.ReadFull(server, got); err != nil || string(got) != "aaaabbbb" {
			t.Fatalf("read %q, %v", got, err)
		}
		wantResult(t, "first writer", a, 4, nil)
		wantResult(t, "second writer", b, 4, nil)
		if calls, n := client.Written(); calls != 2 || n != 8 {
			t.Fatalf("Written = %d calls, %d bytes; want 2, 8", calls, n)
		}
	})
}

func TestDeadlinesFollowTheFakeClock(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		client.SetReadDeadline(time.Now().Add(2 * time.Hour))
		r := wantResult(t, "nothing to read for two hours", start(readSome(client, 1)), 0, os.ErrDeadlineExceeded)
		if r.took != 2*time.Hour {
			t.Errorf("read deadline after %v, want 2h", r.took)
		}
		client.SetWriteLimit(1)
		client.SetDeadline(time.Now().Add(time.Minute))
		r = wantResult(t, "no room for a minute", start(writeSome(client, 3)), 1, os.ErrDeadlineExceeded)
		if r.took != time.Minute {
			t.Errorf("write deadline after %v, want 1m", r.took)
		}
		var timeout net.Error
		if !errors.As((<-start(readSome(client, 1))).err, &timeout) || !timeout.Timeout() {
			t.Error("an expired deadline is not a net.Error with Timeout")
		}
	})
}

func TestDeadlineChangesReachPendingReads(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		client.SetReadDeadline(time.Now().Add(time.Second))
		done := start(readSome(client, 8))
		client.SetReadDeadline(time.Time{})
		<-time.After(time.Hour)
		wantPending(t, "the deadline was taken back", done)
		client.SetReadDeadline(time.Now().Add(-1))
		wantResult(t, "a past deadline ends it at once", done, 0, os.ErrDeadlineExceeded)
		client.SetReadDeadline(time.Time{})
		server.Write([]byte("hi"))
		wantResult(t, "deadlines are not for ever", start(readSome(client, 8)), 2, nil)
	})
}

func TestCloseWriteIsHalfAClose(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		client.Write([]byte("bye"))
		client.CloseWrite()
		wantResult(t, "buffered bytes come first", start(readSome(server, 8)), 3, nil)
		wantResult(t, "then the end", start(readSome(server, 8)), 0, io.EOF)
		wantResult(t, "this direction is closed", start(writeSome(client, 1)), 0, net.ErrClosed)
		wantResult(t, "the other is not", start(writeSome(server, 2)), 2, nil)
		wantResult(t, "nor its reads", start(readSome(client, 8)), 2, nil)
	})
}

func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		server.SetWriteLimit(1)
		reading := start(readSome(client, 1))
		client.Write([]byte("last words"))
		client.Close()
		wantResult(t, "own pending read", reading, 0, net.ErrClosed)
		wantResult(t, "own write", start(writeSome(client, 1)), 0, net.ErrClosed)
		wantResult(t, "the peer's write", start(writeSome(server, 1)), 0, syscall.EPIPE)
		wantResult(t, "the peer still hears the rest", start(readSome(server, 99)), 10, nil)
		wantResult(t, "and then the end", start(readSome(server, 99)), 0, io.EOF)
		if err := client.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestCloseFreesAWriterHeldByTheLimit(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		client.SetWriteLimit(1)
		held := start(writeSome(client, 5))
		behind := start(writeSome(client, 5))
		server.Close()
		wantResult(t, "the reader is gone", held, 1, syscall.EPIPE)
		wantResult(t, "for whoever is next in line too", behind, 0, syscall.EPIPE)
	})
}

func TestAddresses(t *testing.T) {
	client, server := memconn.Pipe()
	addrs := func() string { return client.LocalAddr().String() + " to " + client.RemoteAddr().String() }
	if got, want := addrs(), "client to server"; got != want {
		t.Errorf("addresses %q, want %q", got, want)
	}
	server.SetLocalAddr(&net.TCPAddr{IP: net.IPv6loopback, Port: 50051})
	if got, want := addrs(), "client to [::1]:50051"; got != want {
		t.Errorf("addresses %q, want %q", got, want)
	}
	client.Close()
	_, err := client.Write([]byte("x"))
	if got, want := err.Error(), "write mem client->[::1]:50051: use of closed network connection"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

func BenchmarkWriteRead(b *testing.B) {
	client, server := memconn.Pipe()
	p := make([]byte, 4<<10)
	b.ReportAllocs()
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		client.Write(p)
		if _, err := io.ReadFull(server, p); err != nil {
			b.Fatal(err)
		}
	}
}
