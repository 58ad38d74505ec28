package call

import (
	"runtime"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/frame"
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

// A message larger than the window gets through because all of it is returned
// once it is waited for and its length is known; nothing is returned twice.
func TestMessageLargerThanTheWindow(t *testing.T) {
	r := newServerRig(t, Config{})
	big := strings.Repeat("x", 1000)
	all := wire(big) + wire("next")
	const first = 3
	r.data(all[:first], false)
	if r.server.consumed != 0 {
		t.Fatal("nobody waits for it yet")
	}
	var b *Buffer
	r.start("recv", RecvMessage(&b))
	if r.server.consumed != frame.PrefixLen {
		t.Fatalf("consumed %d of a cut prefix, want %d", r.server.consumed, frame.PrefixLen)
	}
	for at := first; at < len(all); at += 100 {
		r.data(all[at:min(at+100, len(all))], false)
		if r.server.consumed != len(wire(big)) {
			t.Fatalf("consumed %d after %d of %d bytes", r.server.consumed, at+100, len(wire(big)))
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

// The credit for bytes that nobody will take is returned, or the stream is reset.
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

// What can never be taken does not stay in a call that is over, whether its
// application closes it or not: a part of a message, as soon as nothing is before
// it, and a request that was not whole.
func TestRestOfADeadCall(t *testing.T) {
	reset := &frame.CloseError{Kind: frame.ResetByPeer, Code: frame.Cancel}
	part := wire("part")[:frame.PrefixLen+1]
	for name, c := range map[string]struct {
		payload   string
		isTaken   bool // the whole message
		isRequest bool // the only one
	}{
		"part":                {payload: part},
		"part of a prefix":    {payload: part[:1]},
		"part behind a whole": {payload: wire("whole") + part, isTaken: true},
		"request":             {payload: wire("only"), isRequest: true},
	} {
		t.Run(name, func(t *testing.T) {
			var r *rig
			if c.isRequest {
				r = newServerRig(t, Config{OneMessage: true})
			} else {
				r = newRig(t, nil)
				r.start("init", SendInitialMetadata(nil))
				r.accept()
				r.want("sent", "init")
				r.response()
			}
			r.data(c.payload, false)
			r.closed(reset)
			if c.isTaken {
				var b *Buffer
				r.start("recv", RecvMessage(&b))
				r.want("it has come", "recv")
				take(b)
			}
			if !r.c.recv.inbox.empty() {
				t.Error("something is left")
			}
			if n := r.stream().consumed; n != len(c.payload) {
				t.Errorf("consumed %d of %d bytes", n, len(c.payload))
			}
		})
	}
}

// What was returned early of a message that never came is not returned again
// with what still arrives of it.
func TestEarlyCreditOfAMessageThatIsCutOff(t *testing.T) {
	r := newServerRig(t, Config{})
	all := wire(strings.Repeat("x", 1000))
	var b *Buffer
	r.data(all[:100], false)
	r.start("recv", RecvMessage(&b))
	r.c.Cancel()
	r.want("cancelled", "!recv")
	for at := 100; at < len(all); at += 100 {
		r.data(all[at:min(at+100, len(all))], false)
	}
	if r.server.consumed != len(all) {
		t.Errorf("consumed %d of %d", r.server.consumed, len(all))
	}
	r.data(wire("late"), false)
	if want := len(all) + len(wire("late")); r.server.consumed != want {
		t.Errorf("consumed %d, want %d", r.server.consumed, want)
	}
}

// What a prefix claims is returned as credit, but costs no memory before it comes.
func TestEarlyCreditCostsNothing(t *testing.T) {
	const claimed = 1 << 30
	settings := textSettings()
	settings.MaxRecvMessage = claimed
	r := newServerRig(t, Config{Settings: settings})
	var b *Buffer
	r.start("recv", RecvMessage(&b))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r.data(prefix(false, claimed)+strings.Repeat("x", 1000), false)
	runtime.ReadMemStats(&after)
	if want := claimed + frame.PrefixLen; r.server.consumed != want {
		t.Errorf("consumed %d, want %d", r.server.consumed, want)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
		t.Errorf("%d bytes were allocated", n)
	}
	r.c.Cancel()
	r.want("cancelled", "!recv")
}
