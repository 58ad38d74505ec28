package call

import (
	"errors"
	"testing"

	"github.com/cqrpc/cqrpc"
)

// RecvNext is true with a message and false without, however the messages end.
func TestRecvNextFailsAtTheEndOfMessages(t *testing.T) {
	t.Run("in order", func(t *testing.T) {
		r := newServerRig(t, Config{})
		var v string
		r.data(wire("a"), true)
		r.start("first", RecvNext(&v))
		r.want("there is a message", "first")
		r.start("second", RecvNext(&v))
		ev := r.want("there is none", "!second")
		if v != "a" || !errors.Is(ev[0].Err, ErrEnded) {
			t.Errorf("got %q, %v", v, ev[0].Err)
		}
	})
	t.Run("because the call did", func(t *testing.T) {
		r := newServerRig(t, Config{})
		var v string
		r.start("next", RecvNext(&v))
		r.c.Cancel()
		ev := r.want("there will be none", "!next")
		if cqrpc.CodeOf(ev[0].Err) != cqrpc.CodeCanceled {
			t.Errorf("got %v", ev[0].Err)
		}
	})
}

// The metadata of a response can be read from the call, when it has come.
func TestMetadataOfTheResponse(t *testing.T) {
	r := newRig(t, nil)
	r.start("send", SendInitialMetadata(nil), SendClose())
	if r.c.InitialMetadata() != nil || r.c.TrailingMetadata() != nil {
		t.Error("there is metadata before the response")
	}
	r.response("h", "1")
	if got := r.c.InitialMetadata().Get("h"); got != "1" {
		t.Errorf("initial metadata has %q", got)
	}
	r.accept()
	r.trailers("grpc-status", "0", "t", "2")
	r.want("sent", "send")
	if got := r.c.TrailingMetadata().Get("t"); got != "2" {
		t.Errorf("trailing metadata has %q", got)
	}
}
