package call

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// A server has the request when it has one message and the half-close: until then a second message
// may come, and then there is none.
func TestOnlyRequestWaitsForTheHalfClose(t *testing.T) {
	t.Run("one", func(t *testing.T) {
		r := newServerRig(t, Config{OneMessage: true})
		var v string
		r.start("recv", RecvValue(&v, nil))
		r.data(wire("a"), false)
		r.want("another may come")
		r.data("", true)
		r.want("it did not", "recv")
		if v != "a" {
			t.Errorf("got %q", v)
		}
	})
	t.Run("one, and then the call dies", func(t *testing.T) {
		r := newServerRig(t, Config{OneMessage: true})
		var v string
		r.start("recv", RecvValue(&v, nil))
		r.data(wire("a"), false)
		r.closed(&frame.CloseError{Kind: frame.ConnLost})
		r.want("another might have come", "!recv")
		r.c.Close()
		if v != "" {
			t.Errorf("got %q of half a request", v)
		}
	})
	for name, cut := range map[string]int{"two at once": 0, "one after the other": len(wire("a"))} {
		t.Run(name, func(t *testing.T) {
			r := newServerRig(t, Config{OneMessage: true})
			var v string
			r.start("recv", RecvValue(&v, nil))
			all := wire("a") + wire("b")
			if cut > 0 {
				r.data(all[:cut], false)
			}
			r.data(all[cut:], true)
			r.want("two are none", "!recv")
			if got := fieldValue(r.server.trailers, "grpc-status"); got != "12" {
				t.Errorf("the client was told %q", got)
			}
		})
	}
	t.Run("more than the window", func(t *testing.T) {
		r := newServerRig(t, Config{OneMessage: true})
		var b *Buffer
		r.start("recv", RecvMessage(&b))
		all := wire("abcdefgh")
		r.data(all[:9], false)
		if r.server.consumed != len(all) {
			t.Errorf("consumed %d of a message of %d that is waited for", r.server.consumed, len(all))
		}
		r.data(all[9:], true)
		r.want("whole", "recv")
		take(b)
	})
}

func TestStopReceiving(t *testing.T) {
	t.Run("an OK does not wait for unread messages", func(t *testing.T) {
		r := newRig(t, nil)
		var st cqrpc.Status
		r.start("status", SendInitialMetadata(nil), SendClose(), RecvStatus(&st, nil))
		r.accept()
		r.response()
		r.data(wire("one")+wire("two"), false)
		r.trailers("grpc-status", "0")
		r.want("two messages are unread")
		for range 2 { // idempotent
			if !r.c.StopReceiving() {
				t.Error("refused, although nobody waits for a message")
			}
		}
		r.want("nobody will read them", "status")
		if n := len(wire("one") + wire("two")); r.stream().consumed != n {
			t.Errorf("consumed %d, want %d", r.stream().consumed, n)
		}
		if st.Code != cqrpc.CodeOK {
			t.Errorf("status %v", st)
		}
	})
	t.Run("what comes later is dropped, and its credit returned", func(t *testing.T) {
		r := newRig(t, nil)
		r.start("begin", SendInitialMetadata(nil))
		r.accept()
		r.want("sent", "begin")
		r.response()
		r.data(wire("one")[:3], false)
		r.c.StopReceiving()
		r.data(wire("one")[3:], false)
		r.data(wire("two"), false)
		if n := len(wire("one") + wire("two")); r.stream().consumed != n {
			t.Errorf("consumed %d, want %d", r.stream().consumed, n)
		}
		var b *Buffer
		r.start("recv", RecvMessage(&b))
		r.want("there is nothing to receive any more", "!recv")
		var st cqrpc.Status
		r.start("status", RecvStatus(&st, nil))
		r.trailers("grpc-status", "5")
		r.want("the end is still told", "status")
		if st.Code != cqrpc.CodeNotFound {
			t.Errorf("status %v", st)
		}
	})
	t.Run("the one message that nobody wants is not missing", func(t *testing.T) {
		r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.OneMessage = true })
		var st cqrpc.Status
		r.start("status", SendInitialMetadata(nil), SendClose(), RecvStatus(&st, nil))
		r.accept()
		r.c.StopReceiving()
		r.response()
		r.data(wire("one"), false)
		r.trailers("grpc-status", "0")
		r.want("nobody reads it", "status")
		if st.Code != cqrpc.CodeOK {
			t.Errorf("status %v", st)
		}
	})
	t.Run("who waits for a message gets it", func(t *testing.T) {
		r := newRig(t, nil)
		r.start("begin", SendInitialMetadata(nil))
		r.accept()
		r.want("sent", "begin")
		r.response()
		var b *Buffer
		r.start("recv", RecvMessage(&b))
		if r.c.StopReceiving() {
			t.Error("stopped although a RecvMessage is outstanding")
		}
		r.data(wire("one"), false)
		r.want("received", "recv")
		if got := take(b); got != "one" {
			t.Errorf("got %q", got)
		}
	})
}

// A server that has answered, or tried to, reads nothing more, and its call holds nothing to be
// freed.
func TestAnswerDiscardsWhatIsUnread(t *testing.T) {
	for _, isDead := range []bool{false, true} {
		r := newServerRig(t, Config{})
		r.data(wire("unread"), false)
		if isDead {
			r.closed(nil)
		}
		r.start("finish", SendStatus(cqrpc.Status{}, nil))
		tag := "!finish"
		if !isDead {
			r.accept()
			tag = "finish"
		}
		r.want("answered", tag)
		if n := len(wire("unread")); r.server.consumed != n {
			t.Errorf("dead %v: consumed %d, want %d", isDead, r.server.consumed, n)
		}
	}
}

func TestCancelled(t *testing.T) {
	r := newServerRig(t, Config{})
	if r.c.Cancelled() {
		t.Error("cancelled while it runs")
	}
	r.start("finish", SendStatus(cqrpc.Status{Code: cqrpc.CodeNotFound}, nil))
	r.accept()
	r.want("answered", "finish")
	if r.c.Cancelled() {
		t.Error("cancelled although the application's status was sent")
	}
	r = newServerRig(t, Config{})
	r.c.Cancel()
	if !r.c.Cancelled() {
		t.Error("not cancelled")
	}
}

func TestWatch(t *testing.T) {
	run := func(name string, f func(t *testing.T, ctx context.Context, cancel context.CancelFunc)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				f(t, ctx, cancel)
			})
		})
	}
	watched := func(ctx context.Context) *Call {
		c := NewClient(nil, Config{Completer: cq.New(), Method: "/s/m"}, &fakeOpener{})
		c.Watch(ctx)
		return c
	}
	run("the end of the context ends the call", func(t *testing.T, ctx context.Context, cancel context.CancelFunc) {
		c := watched(ctx)
		cancel()
		synctest.Wait()
		if cqrpc.CodeOf(c.Err()) != cqrpc.CodeCanceled {
			t.Errorf("error %v", c.Err())
		}
	})
	run("a context that has ended ends it at once", func(t *testing.T, ctx context.Context, cancel context.CancelFunc) {
		cancel()
		if c := watched(ctx); cqrpc.CodeOf(c.Err()) != cqrpc.CodeCanceled {
			t.Errorf("error %v", c.Err())
		}
	})
	run("the end of the call ends the watch", func(t *testing.T, ctx context.Context, cancel context.CancelFunc) {
		c := watched(ctx)
		c.CancelWithStatus(cqrpc.CodeAborted, "enough")
		if c.caller.watch.stop != nil {
			t.Error("still watching")
		}
		cancel()
		synctest.Wait()
		if cqrpc.CodeOf(c.Err()) != cqrpc.CodeAborted {
			t.Errorf("error %v", c.Err())
		}
		c.Watch(context.WithoutCancel(ctx)) // nothing to watch for
	})
}
