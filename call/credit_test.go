package call

import (
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
)

// Credit goes back when the application takes a message, and not before.
func TestCreditWaitsForTheApplication(t *testing.T) {
	r := newServerRig(t, Config{})
	one, two := wire("one"), wire("second")
	r.data(one+two, false)
	if r.server.consumed != 0 {
		t.Fatalf("consumed %d unread bytes", r.server.consumed)
	}
	var b *Buffer
	r.start("recv", RecvMessage(&b))
	if r.server.consumed != 0 {
		t.Fatal("consumed before the harvest")
	}
	r.want("one", "recv")
	take(b)
	if r.server.consumed != len(one) {
		t.Fatalf("consumed %d, want %d", r.server.consumed, len(one))
	}
	r.start("recv", RecvMessage(&b))
	r.want("two", "recv")
	take(b)
	if r.server.consumed != len(one+two) {
		t.Fatalf("consumed %d, want %d", r.server.consumed, len(one+two))
	}
}

// A message larger than the window gets through because what has arrived of it
// is returned while it is waited for; nothing is returned twice.
func TestMessageLargerThanTheWindow(t *testing.T) {
	r := newServerRig(t, Config{})
	big := strings.Repeat("x", 1000)
	all := wire(big) + wire("next")
	const window = 100
	r.data(all[:window], false)
	if r.server.consumed != 0 {
		t.Fatal("nobody waits for it yet")
	}
	var b *Buffer
	r.start("recv", RecvMessage(&b))
	if r.server.consumed != window {
		t.Fatalf("consumed %d of what had arrived, want %d", r.server.consumed, window)
	}
	for at := window; at < len(all); {
		n := min(window-(at-r.server.consumed), len(all)-at)
		if n <= 0 {
			t.Fatalf("stalled at %d of %d", at, len(all))
		}
		r.data(all[at:at+n], false)
		if at += n; at >= len(wire(big)) {
			r.data(all[at:], false)
			break
		}
	}
	r.want("complete", "recv")
	if got := take(b); got != big {
		t.Fatalf("got %d bytes", len(got))
	}
	if r.server.consumed != len(wire(big)) {
		t.Errorf("consumed %d, want %d", r.server.consumed, len(wire(big)))
	}
	r.start("recv", RecvMessage(&b))
	r.want("next", "recv")
	if got := take(b); got != "next" || r.server.consumed != len(all) {
		t.Errorf("got %q, consumed %d of %d", got, r.server.consumed, len(all))
	}
}

// Bytes nobody will take are returned, or the stream is reset.
func TestDiscardedBytes(t *testing.T) {
	t.Run("server's trailers framed", func(t *testing.T) {
		r := newServerRig(t, Config{})
		r.data(wire("unread")+"\x00", false)
		r.start("st", SendStatus(cqrpc.Status{}, nil))
		r.accept()
		if want := len(wire("unread")) + 1; r.server.consumed != want {
			t.Errorf("consumed %d, want %d", r.server.consumed, want)
		}
		r.data(wire("late"), false)
		if want := len(wire("unread")+wire("late")) + 1; r.server.consumed != want {
			t.Errorf("consumed %d, want %d", r.server.consumed, want)
		}
	})
	t.Run("client cancels", func(t *testing.T) {
		r := newRig(t, nil)
		r.start("init", SendInitialMetadata(nil))
		r.response()
		r.data(wire("unread"), false)
		r.c.Cancel()
		if !r.stream().isReset() {
			t.Error("not reset")
		}
	})
	t.Run("closed after the end", func(t *testing.T) {
		r := newRig(t, nil)
		r.start("init", SendInitialMetadata(nil))
		r.response()
		r.data(wire("unread"), false)
		r.trailers("grpc-status", "5")
		r.c.Close()
		if r.stream().consumed != len(wire("unread")) {
			t.Errorf("consumed %d", r.stream().consumed)
		}
	})
}
