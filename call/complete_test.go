package call

import (
	"errors"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

var lost = &frame.CloseError{Kind: frame.ConnLost, Err: errors.New("connection to host lost")}

// When each operation completes, and with what: the table of C-core's
// operations, one row per cell.
func TestClientCompletions(t *testing.T) {
	ok := []string{"grpc-status", "0"}
	tests := []struct {
		name string
		run  func(r *rig)
		want []string
	}{
		{"initial metadata framed", func(r *rig) { r.start("init", SendInitialMetadata(nil)); r.accept() }, []string{"init"}},
		{"initial metadata not framed yet", func(r *rig) { r.start("init", SendInitialMetadata(nil)) }, nil},
		{"cancelled before initial metadata", func(r *rig) { r.c.Cancel(); r.start("init", SendInitialMetadata(nil)) },
			[]string{"!init"}},
		{"cancelled with initial metadata outstanding",
			func(r *rig) { r.start("init", SendInitialMetadata(nil)); r.c.Cancel() }, []string{"!init"}},

		{"message waits for initial metadata", func(r *rig) { r.start("msg", SendValue("m")) }, nil},
		{"message sent", func(r *rig) { r.start("msg", SendInitialMetadata(nil), SendValue("m")); r.accept() },
			[]string{"msg"}},
		{"message after close fails alone", func(r *rig) {
			r.start("close", SendInitialMetadata(nil), SendClose())
			r.start("msg", SendValue("m"))
		}, []string{"!msg"}},
		{"message on a dead call", func(r *rig) { r.c.Cancel(); r.start("msg", SendValue("m")) }, []string{"!msg"}},
		{"message outstanding when the server finishes", func(r *rig) {
			r.start("init", SendInitialMetadata(nil))
			r.accept()
			r.start("msg", SendValue("m"))
			r.trailers(append([]string{":status", "200", "content-type", "application/grpc"}, ok...)...)
		}, []string{"init", "!msg"}},

		{"close framed", func(r *rig) { r.start("close", SendInitialMetadata(nil), SendClose()); r.accept() },
			[]string{"close"}},
		{"close outstanding when the server finishes", func(r *rig) {
			r.start("init", SendInitialMetadata(nil))
			r.accept()
			r.start("close", SendClose())
			r.response()
			r.trailers(ok...)
		}, []string{"init", "close"}},
		{"close outstanding when the connection is lost", func(r *rig) {
			r.start("init", SendInitialMetadata(nil))
			r.accept()
			r.start("close", SendClose())
			r.closed(lost)
		}, []string{"init", "!close"}},
		{"close after the end", func(r *rig) { r.c.Cancel(); r.start("close", SendClose()) }, []string{"close"}},

		{"receive initial metadata", func(r *rig) {
			r.start("init", SendInitialMetadata(nil))
			r.accept()
			r.start("hdr", RecvInitialMetadata(nil))
			r.response()
		}, []string{"init", "hdr"}},
		{"receive initial metadata of Trailers-Only", func(r *rig) {
			r.start("init", SendInitialMetadata(nil), RecvInitialMetadata(nil))
			r.accept()
			r.trailers(append([]string{":status", "200", "content-type", "application/grpc"}, ok...)...)
		}, []string{"init"}},
		{"receive initial metadata after remote death", func(r *rig) {
			r.start("init", SendInitialMetadata(nil))
			r.accept()
			r.closed(lost)
			r.start("hdr", RecvInitialMetadata(nil))
		}, []string{"init", "hdr"}},
		{"receive initial metadata without a stream", func(r *rig) {
			r.start("hdr", RecvInitialMetadata(nil))
			r.c.Cancel()
		}, []string{"!hdr"}},
		{"late receive initial metadata", func(r *rig) {
			r.start("init", SendInitialMetadata(nil))
			r.accept()
			r.response()
			r.start("hdr", RecvInitialMetadata(nil))
		}, []string{"init", "hdr"}},

		{"receive message: end in order", func(r *rig) {
			r.start("init", SendInitialMetadata(nil))
			r.accept()
			r.response()
			r.start("recv", RecvMessage(nil))
			r.trailers(ok...)
		}, []string{"init", "recv"}},
		{"receive message: connection lost", func(r *rig) {
			r.start("init", SendInitialMetadata(nil))
			r.accept()
			r.start("recv", RecvMessage(nil))
			r.closed(lost)
		}, []string{"init", "!recv"}},
		{"receive message: cancelled", func(r *rig) { r.start("recv", RecvMessage(nil)); r.c.Cancel() }, []string{"!recv"}},

		{"receive status of a cancelled call", func(r *rig) { r.start("st", RecvStatus(nil, nil)); r.c.Cancel() },
			[]string{"st"}},
		{"receive status makes its batch true", func(r *rig) {
			r.start("all", SendInitialMetadata(nil), SendValue("m"), RecvMessage(nil), RecvStatus(nil, nil))
			r.closed(lost)
		}, []string{"all"}},
		{"a second receive status is not needed to end", func(r *rig) {
			r.start("init", SendInitialMetadata(nil))
			r.accept()
			r.closed(lost)
			r.start("st", RecvStatus(nil, nil))
		}, []string{"init", "st"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			tt.run(r)
			r.want(tt.name, tt.want...)
		})
	}
}

func TestServerCompletions(t *testing.T) {
	tests := []struct {
		name string
		run  func(r *rig)
		want []string
	}{
		{"half-close is an end of messages, not of the call", func(r *rig) {
			r.start("close", RecvClose(nil))
			r.start("recv", RecvMessage(nil))
			r.data("", true)
		}, []string{"recv"}},
		{"status framed", func(r *rig) {
			r.start("close", RecvClose(nil))
			r.start("st", SendInitialMetadata(nil), SendStatus(cqrpc.Status{}, nil))
			r.accept()
		}, []string{"st", "close"}},
		{"status not framed yet", func(r *rig) { r.start("st", RecvClose(nil), SendStatus(cqrpc.Status{}, nil)) }, nil},
		{"status on a dead call", func(r *rig) { r.closed(lost); r.start("st", SendStatus(cqrpc.Status{}, nil)) },
			[]string{"!st"}},
		{"status outstanding when the stream dies",
			func(r *rig) { r.start("st", SendStatus(cqrpc.Status{}, nil)); r.closed(lost) }, []string{"!st"}},
		{"message without initial metadata waits", func(r *rig) { r.start("msg", SendValue("m")); r.accept() }, nil},
		{"message then initial metadata", func(r *rig) {
			r.start("msg", SendValue("m"))
			r.start("init", SendInitialMetadata(nil))
			r.accept()
		}, []string{"msg", "init"}},
		{"receive on a dead stream", func(r *rig) { r.start("recv", RecvMessage(nil)); r.closed(lost) }, []string{"!recv"}},
		{"receive outstanding when the server finishes", func(r *rig) {
			r.start("recv", RecvMessage(nil))
			r.start("st", SendStatus(cqrpc.Status{}, nil))
			r.accept()
		}, []string{"!recv", "st"}},
		{"receive close is true in a failing batch", func(r *rig) {
			r.start("all", SendInitialMetadata(nil), SendValue("m"), RecvClose(nil))
			r.closed(lost)
		}, []string{"all"}},
		{"initial metadata after an implied one", func(r *rig) {
			r.start("st", SendValue("m"), SendStatus(cqrpc.Status{}, nil))
			r.start("init", SendInitialMetadata(nil))
			r.accept()
		}, []string{"st", "!init"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newServerRig(t, Config{})
			tt.run(r)
			r.want(tt.name, tt.want...)
		})
	}
}

// cancelled is false exactly when the application's status was framed first.
func TestRecvCloseCancelled(t *testing.T) {
	tests := []struct {
		name string
		end  func(r *rig)
		want bool
	}{
		{"OK", func(r *rig) { r.start("st", SendStatus(cqrpc.Status{}, nil)); r.accept() }, false},
		{"status other than OK", func(r *rig) {
			r.start("st", SendStatus(cqrpc.Status{Code: cqrpc.CodeNotFound}, nil))
			r.accept()
		}, false},
		{"framed, then reset", func(r *rig) {
			r.start("st", SendStatus(cqrpc.Status{}, nil))
			sent := r.server.accept()
			r.c.Receiver().OnClosed(&frame.CloseError{Kind: frame.ResetByPeer, Code: frame.Cancel}, sent, &r.lane)
		}, false},
		{"reset by the client", func(r *rig) {
			r.closed(&frame.CloseError{Kind: frame.ResetByPeer,
				Code: frame.Cancel})
		}, true},
		{"connection lost", func(r *rig) { r.closed(lost) }, true},
		{"server cancels", func(r *rig) { r.c.Cancel() }, true},
		{"server cancels after queueing a status",
			func(r *rig) { r.start("st", SendStatus(cqrpc.Status{}, nil)); r.c.Cancel() }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newServerRig(t, Config{})
			got := !tt.want
			r.start("close", RecvClose(&got))
			tt.end(r)
			r.lane.Flush()
			var seen bool
			for ev := r.q.NextUntil(past); ev.Tag != nil; ev = r.q.NextUntil(past) {
				seen = seen || ev.Tag == "close" && ev.OK
			}
			if !seen || got != tt.want {
				t.Errorf("cancelled = %v (event %v), want %v", got, seen, tt.want)
			}
		})
	}
}

// A status of OK waits until the messages were taken; another does not, and
// the messages stay (C-core loses them).
func TestStatusAndUnreadMessages(t *testing.T) {
	for _, tt := range []struct {
		status string
		early  []string
	}{{"0", nil}, {"5", []string{"st"}}} {
		r := newRig(t, nil)
		var st cqrpc.Status
		r.start("init", SendInitialMetadata(nil), SendClose())
		r.start("st", RecvStatus(&st, nil))
		r.accept()
		r.response()
		r.data(wire("one")+wire("two"), false)
		r.trailers("grpc-status", tt.status)
		r.want("status "+tt.status, append([]string{"init"}, tt.early...)...)
		for _, text := range []string{"one", "two"} {
			var b *Buffer
			r.start("recv", RecvMessage(&b))
			want := []string{"recv"}
			if text == "two" && tt.early == nil {
				want = append(want, "st")
			}
			r.want("messages can still be read", want...)
			if got := take(b); got != text {
				t.Errorf("got %q, want %q", got, text)
			}
		}
		var b *Buffer
		r.start("recv", RecvMessage(&b))
		r.want("then comes the end", "recv")
		if b != nil {
			t.Error("message after the last")
		}
		if st.Code != cqrpc.Code(tt.status[0]-'0') {
			t.Errorf("status %v", st)
		}
	}
}

// Losing the connection does not lose what arrived before.
func TestMessagesSurviveConnectionLoss(t *testing.T) {
	r := newRig(t, nil)
	var st cqrpc.Status
	r.start("init", SendInitialMetadata(nil))
	r.accept()
	r.response()
	r.data(wire("kept"), false)
	r.closed(lost)
	var b *Buffer
	r.start("recv", RecvMessage(&b))
	r.start("st", RecvStatus(&st, nil))
	r.want("both at once", "init", "recv", "st")
	if got := take(b); got != "kept" {
		t.Errorf("got %q", got)
	}
	if st.Code != cqrpc.CodeUnavailable || st.Message != "connection to host lost" {
		t.Errorf("status %v", st)
	}
	r.start("end", RecvMessage(&b))
	events := r.want("no more", "!end")
	e, ok := errors.AsType[*cqrpc.Error](events[0].Err)
	if !ok || e.Origin != cqrpc.OriginTransport || !errors.Is(e, lost) {
		t.Errorf("event's error is %#v", events[0].Err)
	}
}

// Giving up discards what was not taken, and a tentative OK with it.
func TestCancelWhileDraining(t *testing.T) {
	r := newRig(t, nil)
	var st cqrpc.Status
	r.start("init", SendInitialMetadata(nil), SendClose())
	r.start("st", RecvStatus(&st, nil))
	r.accept()
	r.response()
	r.data(wire("unread"), false)
	r.trailers("grpc-status", "0")
	r.want("OK waits", "init")
	r.c.Cancel()
	r.want("nobody wants the message", "st")
	if st.Code != cqrpc.CodeCanceled {
		t.Errorf("status %v", st)
	}
	var b *Buffer
	r.start("recv", RecvMessage(&b))
	r.want("the sequence was cut", "!recv")
}

// The first end stays.
func TestFirstVerdictStays(t *testing.T) {
	ends := map[cqrpc.Code]func(*rig){
		cqrpc.CodeCanceled:         func(r *rig) { r.c.Cancel() },
		cqrpc.CodeDeadlineExceeded: func(r *rig) { r.c.expire() },
		cqrpc.CodeUnavailable:      func(r *rig) { r.closed(lost) },
		cqrpc.CodeNotFound:         func(r *rig) { r.headers(true, ":status", "200", "grpc-status", "5") },
		cqrpc.CodeOK: func(r *rig) {
			r.headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "0")
		},
	}
	for first, end := range ends {
		for second, other := range ends {
			r := newRig(t, nil)
			var st cqrpc.Status
			r.start("all", SendInitialMetadata(nil), RecvStatus(&st, nil))
			end(r)
			other(r)
			r.want("ended", "all")
			if st.Code != first {
				t.Errorf("%v then %v: got %v", first, second, st)
			}
		}
	}
}

// A batch that fails drops its message, unless it also says that all is well.
func TestFailedBatchAndItsMessage(t *testing.T) {
	for _, tt := range []struct {
		status string
		want   string
	}{{"0", "reply"}, {"13", "<none>"}} {
		r := newRig(t, nil)
		var st cqrpc.Status
		b := new(Buffer)
		r.start("all", SendInitialMetadata(nil), SendValue("never sent"), RecvMessage(&b), RecvStatus(&st, nil))
		r.response()
		r.data(wire("reply"), false)
		r.trailers("grpc-status", tt.status)
		r.want("the status says it all", "all")
		if got := take(b); got != tt.want {
			t.Errorf("status %s: message %q, want %q", tt.status, got, tt.want)
		}
	}
	r := newRig(t, nil)
	b := new(Buffer)
	r.start("both", SendInitialMetadata(nil), SendValue("never sent"), RecvMessage(&b))
	r.response()
	r.data(wire("reply"), false)
	r.trailers("grpc-status", "0")
	r.want("a send failed", "!both")
	if b != nil {
		t.Error("message of a failed batch")
	}
	if r.stream().consumed != len(wire("reply")) {
		t.Error("its credit was not returned")
	}
}

// The harvester decodes; what it cannot decode ends the call, and an OK that
// was not harvested yet is no longer one.
func TestUndecodableMessage(t *testing.T) {
	t.Run("in the status's batch", func(t *testing.T) {
		r := newRig(t, nil)
		var st cqrpc.Status
		var v string
		got := true
		r.start("all", SendInitialMetadata(nil), SendClose(), RecvValue(&v, &got), RecvStatus(&st, nil))
		r.accept()
		r.response()
		r.data(wire("bad"), false)
		r.trailers("grpc-status", "0")
		r.want("complete", "all")
		if got || st.Code != cqrpc.CodeInternal {
			t.Errorf("got %v, status %v", got, st)
		}
	})
	t.Run("alone", func(t *testing.T) {
		r := newRig(t, nil)
		var st cqrpc.Status
		var v string
		r.start("init", SendInitialMetadata(nil), SendClose())
		r.start("recv", RecvValue(&v, nil))
		r.accept()
		r.response()
		r.data(wire("bad"), false)
		r.want("cannot be decoded", "init", "!recv")
		r.start("st", RecvStatus(&st, nil))
		r.want("the call is over", "st")
		if st.Code != cqrpc.CodeInternal || !r.stream().isReset() {
			t.Errorf("status %v, reset %v", st, r.stream().isReset())
		}
	})
	t.Run("after the status was harvested", func(t *testing.T) {
		r := newRig(t, nil)
		var st cqrpc.Status
		var v string
		slow := cq.New()
		r.start("st", SendInitialMetadata(nil), SendClose(), RecvStatus(&st, nil))
		if err := r.c.StartBatchOn(slow, []Op{RecvValue(&v, nil)}, "recv"); err != nil {
			t.Fatal(err)
		}
		r.accept()
		r.response()
		r.data(wire("bad"), false)
		r.trailers("grpc-status", "0")
		r.want("the message was taken", "st")
		ev := slow.NextUntil(past)
		if ev.OK || cqrpc.CodeOf(ev.Err) != cqrpc.CodeInternal {
			t.Errorf("event %+v", ev)
		}
		if err := r.c.Err(); st.Code != cqrpc.CodeOK || err != nil {
			t.Errorf("the status was %v, and is %v", st, err)
		}
	})
	t.Run("server", func(t *testing.T) {
		r := newServerRig(t, Config{})
		var v string
		r.start("close", RecvClose(nil))
		r.start("recv", RecvValue(&v, nil))
		r.data(wire("bad"), false)
		r.lane.Flush()
		if ev := r.q.NextUntil(past); ev.OK || cqrpc.CodeOf(ev.Err) != cqrpc.CodeInternal {
			t.Errorf("event %+v", ev)
		}
		r.want("the call is over", "close")
		if got := fieldValue(r.server.trailers, "grpc-status"); got != "13" {
			t.Errorf("the client was told %q", got)
		}
	})
}

func TestCompressedMessages(t *testing.T) {
	gz := codec.Gzip()
	long := string(make([]byte, 1000))
	small, err := gz.Compress(nil, []byte(long))
	if err != nil {
		t.Fatal(err)
	}
	packed := prefix(true, len(small)) + string(small)
	tests := []struct {
		name     string
		encoding []string
		data     string
		limit    int
		code     cqrpc.Code
	}{
		{"gzip", []string{"grpc-encoding", "gzip"}, packed, 1000, cqrpc.CodeOK},
		{"inflates past the limit", []string{"grpc-encoding", "gzip"}, packed, 999, cqrpc.CodeResourceExhausted},
		{"no encoding announced", nil, packed, 0, cqrpc.CodeInternal},
		{"identity announced", []string{"grpc-encoding", "identity"}, packed, 0, cqrpc.CodeInternal},
		{"not gzip", []string{"grpc-encoding", "gzip"}, "\x01\x00\x00\x00\x03abc", 0, cqrpc.CodeInternal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Settings.MaxRecvMessage = tt.limit })
			var st cqrpc.Status
			var v string
			r.start("all", SendInitialMetadata(nil), RecvValue(&v, nil), RecvStatus(&st, nil))
			r.response(tt.encoding...)
			r.data(tt.data, false)
			r.trailers("grpc-status", "0")
			r.want("complete", "all")
			if st.Code != tt.code || tt.code == cqrpc.CodeOK && v != long {
				t.Errorf("status %v, %d bytes", st, len(v))
			}
		})
	}
}

func fieldValue(fields []frame.Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return "<none>"
}

// What came and can never be taken is freed at once: applications of the queue style do not close
// their calls.
func TestWhatCannotBeTakenIsFreed(t *testing.T) {
	t.Run("behind the one message", func(t *testing.T) {
		u := newUnaryRig(t)
		u.data(wire("a")+wire("b"), true)
		u.want("over", "all")
		if u.status.Code != cqrpc.CodeInternal || !u.c.recv.inbox.empty() {
			t.Errorf("status %v, nothing is kept: %v", u.status, u.c.recv.inbox.empty())
		}
	})
	t.Run("behind a message that cannot be decoded", func(t *testing.T) {
		r := newRig(t, nil)
		var st cqrpc.Status
		var v string
		r.start("all", SendInitialMetadata(nil), SendClose(), RecvStatus(&st, nil))
		r.accept()
		r.response()
		r.data(wire("bad")+wire("good"), false)
		r.trailers("grpc-status", "14")
		r.want("over", "all")
		r.start("recv", RecvValue(&v, nil))
		r.want("cannot be decoded", "!recv")
		if st.Code != cqrpc.CodeUnavailable || !r.c.recv.inbox.empty() {
			t.Errorf("status %v, nothing is kept: %v", st, r.c.recv.inbox.empty())
		}
	})
}
