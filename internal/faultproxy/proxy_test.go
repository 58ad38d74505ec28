package faultproxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/internal/faultproxy"
	"github.com/cqrpc/cqrpc/internal/memconn"
)

// road is a proxy in a bubble and the connection through it.
type road struct {
	*testing.T
	proxy          *faultproxy.Proxy
	client, server net.Conn
}

// travel runs script with one connection through a proxy with the plan.
func travel(t *testing.T, plan faultproxy.Plan, script func(r *road)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		front, back := memconn.Listen(), memconn.Listen()
		dial := func(ctx context.Context) (net.Conn, error) { return back.Dial(ctx) }
		r := &road{T: t, proxy: faultproxy.Start(front, dial, func(int) faultproxy.Plan { return plan })}
		defer r.proxy.Close()
		client, err := front.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		server, err := back.Accept()
		if err != nil {
			t.Fatal(err)
		}
		r.client, r.server = client, server
		script(r)
		_ = client.Close()
		_ = server.Close()
	})
}

// send writes from the client.
func (r *road) send(s string) {
	r.Helper()
	if _, err := r.client.Write([]byte(s)); err != nil {
		r.Fatal(err)
	}
}

// want wants the server to have got this by now, and then an error, nil: no end.
func (r *road) want(why, s string, end error) {
	r.Helper()
	synctest.Wait()
	var got []byte
	var err error
	one := make([]byte, 1)
	for {
		_ = r.server.SetReadDeadline(time.Now().Add(time.Nanosecond))
		var n int
		n, err = r.server.Read(one)
		if err != nil {
			break
		}
		got = append(got, one[:n]...)
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		err = nil
	}
	if string(got) != s || !errors.Is(err, end) {
		r.Fatalf("%s: got %q and then %v; want %q and then %v", why, got, err, s, end)
	}
}

func TestFairProxyPassesEverything(t *testing.T) {
	travel(t, faultproxy.Plan{}, func(r *road) {
		r.send("hello")
		r.want("at once", "hello", nil)
		_ = r.client.(*memconn.Conn).CloseWrite()
		r.want("the end is passed on", "", io.EOF)
		if _, err := r.server.Write([]byte("bye")); err != nil {
			r.Error(err)
		}
		_ = r.server.Close()
		got, err := io.ReadAll(r.client)
		if string(got) != "bye" || err != nil {
			r.Errorf("got %q, %v", got, err)
		}
		if up, down := r.proxy.Passed(0); up != 5 || down != 3 {
			r.Errorf("passed %d and %d bytes", up, down)
		}
	})
}

func TestDelay(t *testing.T) {
	travel(t, faultproxy.Plan{Up: faultproxy.Way{Delay: time.Second}}, func(r *road) {
		r.send("a")
		time.Sleep(500 * time.Millisecond) // fake clock
		r.send("b")
		r.want("on its way", "", nil)
		time.Sleep(500 * time.Millisecond) // fake clock
		r.want("the first", "a", nil)
		time.Sleep(500 * time.Millisecond) // fake clock
		r.want("the second", "b", nil)
	})
}

func TestJitterDoesNotReorder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	jitter := func() time.Duration { return time.Duration(rnd.IntN(1000)) * time.Millisecond }
	travel(t, faultproxy.Plan{Up: faultproxy.Way{Jitter: jitter}}, func(r *road) {
		var all bytes.Buffer
		for i := range 100 {
			s := string(rune('a' + i%26))
			all.WriteString(s)
			r.send(s)
			synctest.Wait()
		}
		time.Sleep(time.Minute) // fake clock
		r.want("in order", all.String(), nil)
	})
}

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		way  faultproxy.Way
		got  string
		then error
	}{
		"truncate":        {faultproxy.Way{Fault: faultproxy.Truncate, At: 3}, "abc", io.EOF},
		"truncate at 0":   {faultproxy.Way{Fault: faultproxy.Truncate}, "", io.EOF},
		"cut":             {faultproxy.Way{Fault: faultproxy.Cut, At: 3}, "", syscall.ECONNRESET},
		"stall":           {faultproxy.Way{Fault: faultproxy.Stall, At: 3}, "abc", nil},
		"late truncate":   {faultproxy.Way{Fault: faultproxy.Truncate, At: 3, Delay: time.Millisecond}, "abc", io.EOF},
		"piecemeal stall": {faultproxy.Way{Fault: faultproxy.Stall, At: 3, Chunk: 2}, "abc", nil},
		"not reached":     {faultproxy.Way{Fault: faultproxy.Cut, At: 7}, "abcdef", nil},
	} {
		t.Run(name, func(t *testing.T) {
			travel(t, faultproxy.Plan{Up: c.way}, func(r *road) {
				r.send("abcdef")
				time.Sleep(time.Second) // fake clock
				r.want(name, c.got, c.then)
			})
		})
	}
}

// What was sent during a stall comes after it.
func TestStallEnds(t *testing.T) {
	way := faultproxy.Way{Fault: faultproxy.Stall, At: 2, For: time.Minute, Chunk: 1}
	travel(t, faultproxy.Plan{Up: way}, func(r *road) {
		r.send("abc")
		r.want("as far as the stall", "ab", nil)
		r.send("d")
		_ = r.client.(*memconn.Conn).CloseWrite()
		r.want("nothing, not even the end", "", nil)
		time.Sleep(time.Minute) // fake clock
		r.want("the rest", "cd", io.EOF)
	})
}

// The bytes before a cut are there to be read until it comes.
func TestPause(t *testing.T) {
	way := faultproxy.Way{Fault: faultproxy.Cut, At: 2, Pause: time.Second}
	travel(t, faultproxy.Plan{Up: way}, func(r *road) {
		r.send("abc")
		r.want("what passes", "ab", nil)
		time.Sleep(time.Second) // fake clock
		r.want("the cut", "", syscall.ECONNRESET)
		if _, err := r.client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			r.Errorf("the client sees %v", err)
		}
	})
}

// A cut over TCP is a reset.
func TestCutOverTCP(t *testing.T) {
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	dial := func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", back.Addr().String())
	}
	p := faultproxy.Start(front, dial, func(int) faultproxy.Plan {
		return faultproxy.Plan{Up: faultproxy.Way{Fault: faultproxy.Cut, At: 2}}
	})
	defer p.Close()
	client, err := net.Dial("tcp", front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client sees %v", err)
	}
}
