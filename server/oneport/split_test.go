package oneport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server/oneport"
)

// taken is a connection, and the side that got it.
type taken struct {
	side string
	nc   net.Conn
}

// accept accepts on both sides until they end, and closes them with the test.
func accept(t *testing.T, lis net.Listener) <-chan taken {
	t.Helper()
	http2, other := oneport.Split(lis)
	got, done := make(chan taken), make(chan struct{})
	for side, l := range map[string]net.Listener{"http2": http2, "other": other} {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				nc, err := l.Accept()
				if err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("Accept: %v", err)
					}
					return
				}
				got <- taken{side, nc}
			}
		}()
	}
	t.Cleanup(func() {
		if err := errors.Join(http2.Close(), other.Close()); err != nil {
			t.Errorf("Close: %v", err)
		}
		<-done
		<-done
	})
	return got
}

// beginnings are what clients say first, and whose connection that is.
var beginnings = []struct{ says, side string }{
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"},
	{"GET / HTTP/1.1\r\n", "other"},
	{"POST / HTTP/1.1\r\n", "other"},
	{"PROPFIND / HTTP/1.1\r\n", "other"},
	{"\x16\x03\x01", "other"},
	{"P?", "other"},
}

// Whatever a connection begins with decides, however it comes, and is still there.
func TestSplit(t *testing.T) {
	networks := map[string]func(*testing.T) (net.Listener, func() net.Conn){
		"sockets": func(t *testing.T) (net.Listener, func() net.Conn) {
			lis, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			return lis, func() net.Conn {
				nc, err := net.Dial("tcp", lis.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				return nc
			}
		},
		"memory": func(t *testing.T) (net.Listener, func() net.Conn) {
			lis := memconn.Listen()
			return lis, func() net.Conn {
				nc, err := lis.Dial(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				return nc
			}
		},
	}
	for name, network := range networks {
		t.Run(name, func(t *testing.T) {
			lis, dial := network(t)
			got := accept(t, lis)
			for _, b := range beginnings {
				for _, pace := range []int{1, len(b.says)} {
					nc := dial()
					for i := 0; i < len(b.says); i += pace {
						if _, err := io.WriteString(nc, b.says[i:i+pace]); err != nil {
							t.Fatal(err)
						}
					}
					c := <-got
					there := make([]byte, len(b.says))
					if _, err := io.ReadFull(c.nc, there); err != nil || c.side != b.side || string(there) != b.says {
						t.Errorf("%q, %d octets at a time: %s got %q, %v", b.says, pace, c.side, there, err)
					}
					if _, isSocket := nc.(*net.TCPConn); isSocket {
						if _, isWhole := c.nc.(syscall.Conn); !isWhole {
							t.Errorf("the server got a %T", c.nc)
						}
					}
					_ = nc.Close()
					_ = c.nc.Close()
				}
			}
		})
	}
}

// hungUp wants the other end to have closed nc.
func hungUp(t *testing.T, nc net.Conn) {
	t.Helper()
	if n, err := nc.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d octets of a connection that should be closed", n)
	}
	_ = nc.Close()
}

// Who does not say what it wants holds up nobody, and not for ever.
func TestConnectionThatSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis := memconn.Listen()
		got := accept(t, lis)
		dial := func(says string) net.Conn {
			nc, err := lis.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(nc, says); err != nil {
				t.Fatal(err)
			}
			return nc
		}
		began := time.Now()
		silent, half := dial(""), dial("PR")
		web := dial("GET")
		c := <-got
		if c.side != "other" {
			t.Errorf("%s got a GET", c.side)
		}
		hungUp(t, silent)
		hungUp(t, half)
		if waited := time.Since(began); waited != 20*time.Second {
			t.Errorf("hung up on after %v", waited)
		}
		synctest.Wait()
		if _, err := web.Write([]byte(" /")); err != nil {
			t.Errorf("a connection that was given away is cut off with those that were not: %v", err)
		}
		_ = web.Close()
		_ = c.nc.Close()
	})
}

// A connection that was given away is as it was accepted: what it began with can be read
// octet by octet, and it may be silent for as long as its server likes.
func TestAcceptedConnectionIsUntouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis := memconn.Listen()
		got := accept(t, lis)
		nc, err := lis.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		const says = "PRI * HTTP/2.0"
		if _, err := io.WriteString(nc, says); err != nil {
			t.Fatal(err)
		}
		c := <-got
		time.AfterFunc(time.Hour, func() { _, _ = io.WriteString(nc, "!") })
		there := make([]byte, len(says)+1)
		if _, err := io.ReadFull(iotest.OneByteReader(c.nc), there); err != nil || string(there) != says+"!" {
			t.Errorf("read %q, %v", there, err)
		}
		_ = nc.Close()
		_ = c.nc.Close()
	})
}

// hasty is a connection that tells its end together with the last octets.
type hasty struct{ net.Conn }

func (h hasty) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	return n, errors.Join(err, io.EOF)
}

// hastily is a listener of such.
type hastily struct{ *memconn.Listener }

func (l hastily) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	return hasty{nc}, err
}

// Who has said what it wants is heard though it says nothing more.
func TestShortRequestIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis := memconn.Listen()
		got := accept(t, hastily{lis})
		nc, err := lis.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(nc, "GET"); err != nil {
			t.Fatal(err)
		}
		c := <-got
		if there, err := io.ReadAll(io.LimitReader(c.nc, 3)); c.side != "other" || string(there) != "GET" {
			t.Errorf("%s read %q, %v", c.side, there, err)
		}
		_ = nc.Close()
		_ = c.nc.Close()
	})
}

// What is for a side that is closed is hung up on; the other goes on; the second takes
// the listener with it, and who has not said what it wants.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis := memconn.Listen()
		http2, other := oneport.Split(lis)
		dial := func(says string) net.Conn {
			nc, err := lis.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(nc, says); err != nil {
				t.Fatal(err)
			}
			return nc
		}
		waiting := dial("GET") // nobody accepts it
		synctest.Wait()
		if err := other.Close(); err != nil {
			t.Error(err)
		}
		hungUp(t, waiting)
		hungUp(t, dial("GET"))
		if _, err := other.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept of what is closed: %v", err)
		}
		nc := dial("PRI")
		c, err := http2.Accept()
		if err != nil {
			t.Fatal(err)
		}
		silent := dial("")
		synctest.Wait()
		closed := time.Now()
		if err := http2.Close(); err != nil {
			t.Error(err)
		}
		hungUp(t, silent)
		if waited := time.Since(closed); waited != 0 {
			t.Errorf("hung up on %v after the end", waited)
		}
		if _, err := nc.Write([]byte(" *")); err != nil {
			t.Errorf("a connection that was given away ends with the listeners: %v", err)
		}
		if err := http2.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed again: %v", err)
		}
		if _, err := lis.Dial(t.Context()); err == nil {
			t.Error("the listener is open")
		}
		_ = nc.Close()
		_ = c.Close()
	})
}

// Nobody waits for a listener that was closed from outside: those who accept, nor clients.
func TestListenerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis := memconn.Listen()
		http2, other := oneport.Split(lis)
		nc, err := lis.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(nc, "GET"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // for somebody to accept it
		_ = lis.Close()
		hungUp(t, nc)
		for _, l := range []net.Listener{http2, other} {
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept: %v", err)
			}
			_ = l.Close()
		}
	})
}

// failing is a listener whose Accept fails once for each that is sent to it.
type failing struct {
	net.Listener
	errs chan error
}

func (f *failing) Accept() (net.Conn, error) {
	if err, ok := <-f.errs; ok {
		return nil, err
	}
	return nil, net.ErrClosed
}

// Errors of Accept reach whoever accepts.
func TestAcceptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis := &failing{Listener: memconn.Listen(), errs: make(chan error)}
		http2, other := oneport.Split(lis)
		want := errors.New("no more files")
		for _, l := range []net.Listener{http2, other, http2} {
			go func() { lis.errs <- want }()
			if _, err := l.Accept(); !errors.Is(err, want) {
				t.Errorf("got %v", err)
			}
		}
		close(lis.errs)
		for _, l := range []net.Listener{http2, other} {
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the listener is closed; got %v", err)
			}
			_ = l.Close()
		}
	})
}
