package memconn_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc/internal/memconn"
)

func TestListenerConnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memconn.Listen()
		defer l.Close()
		accepted := make(chan net.Conn, 2)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				accepted <- c
			}
		}()
		synctest.Wait() // Accept waits, durably
		for _, from := range []string{"client-1", "client-2"} {
			client, err := l.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			server := <-accepted
			client.Write([]byte("hello"))
			client.Close()
			got, err := io.ReadAll(server)
			if string(got) != "hello" || err != nil || server.RemoteAddr().String() != from {
				t.Errorf("got %q, %v from %v, want hello from %s", got, err, server.RemoteAddr(), from)
			}
			server.Close()
		}
	})
}

func TestDialErrors(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name    string
		prepare func(*memconn.Listener)
		ctx     context.Context
		want    error
	}{
		{"context ended", func(*memconn.Listener) {}, canceled, context.Canceled},
		{"refused", func(l *memconn.Listener) { l.Refuse(errBroken) }, t.Context(), errBroken},
		{"refused no more", func(l *memconn.Listener) { l.Refuse(errBroken); l.Refuse(nil) }, t.Context(), nil},
		{"closed", func(l *memconn.Listener) { l.Close() }, t.Context(), syscall.ECONNREFUSED},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := memconn.Listen()
			defer l.Close()
			tc.prepare(l)
			c, err := l.Dial(tc.ctx)
			if !errors.Is(err, tc.want) || (c == nil) != (tc.want != nil) {
				t.Errorf("Dial = %v, %v; want error %v", c, err, tc.want)
			}
		})
	}
}

func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memconn.Listen()
		abandoned, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		wantResult(t, "nobody will serve it", start(readSome(abandoned, 1)), 0, io.EOF)
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v", err)
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestCloseEndsPendingAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memconn.Listen()
		done := start(func() (int, error) { _, err := l.Accept(); return 0, err })
		wantPending(t, "nobody dialed", done)
		l.Close()
		wantResult(t, "the listener is closed", done, 0, net.ErrClosed)
	})
}
