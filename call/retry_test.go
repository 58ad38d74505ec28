package call

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/frame"
)

var (
	unsent  = &frame.CloseError{Kind: frame.ConnLost, Unsent: true, Unprocessed: true}
	refused = &frame.CloseError{Kind: frame.ResetByPeer, Code: frame.RefusedStream, Unprocessed: true}
)

func finishOK(r *rig) {
	r.accept()
	r.response()
	r.data(wire("reply"), false)
	r.trailers("grpc-status", "0")
}

// Everything sent before is sent again, and completes once.
func TestTransparentRetry(t *testing.T) {
	r := newRig(t, nil)
	var st cqrpc.Status
	var v string
	r.start("all", SendInitialMetadata(cqrpc.Pairs("k", "v")), SendValue("m"), SendClose(), RecvValue(&v, nil),
		RecvStatus(&st, nil))
	first, old := r.stream(), r.c.Receiver()
	r.closed(refused)
	r.want("not over yet")
	second := r.stream()
	if second == first || lines(second.headers) != lines(first.headers) || len(second.messages) != 1 || !second.given.End {
		t.Fatalf("second attempt: %+v", second)
	}
	old.OnHeaders(&frame.Headers{End: true, Fields: []frame.Field{{Name: ":status", Value: "500"}}}, &r.lane)
	old.OnData(CopyBuffer([]byte("stray")), true, &r.lane)
	old.OnSent(frame.Sent{Headers: true, Messages: 1, End: true}, &r.lane)
	old.OnClosed(lost, frame.Sent{}, &r.lane)
	r.want("the first attempt has nothing to say any more")
	finishOK(r)
	r.want("the second counts", "all")
	if st.Code != cqrpc.CodeOK || v != "reply" {
		t.Errorf("%v %q", st, v)
	}
}

func TestRetryLimits(t *testing.T) {
	t.Run("unsent without limit", func(t *testing.T) {
		r := newRig(t, nil)
		r.start("all", SendInitialMetadata(nil), SendValue("m"), SendClose(), RecvMessage(nil), RecvStatus(nil, nil))
		for range 10 {
			r.closed(unsent)
		}
		r.want("still trying")
		finishOK(r)
		r.want("done", "all")
	})
	over := func(name string, run func(r *rig)) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			var st cqrpc.Status
			r.start("st", RecvStatus(&st, nil))
			r.start("init", SendInitialMetadata(nil))
			run(r)
			r.lane.Flush()
			for r.q.NextUntil(past).Tag != nil {
			}
			if st.Code != cqrpc.CodeUnavailable {
				t.Errorf("status %v", st)
			}
		})
	}
	over("refused twice", func(r *rig) { r.closed(refused); r.closed(refused) })
	over("after response headers", func(r *rig) { r.response(); r.closed(refused) })
	over("processed", func(r *rig) { r.closed(lost) })
	over("after the second message", func(r *rig) {
		r.start("one", SendValue("1"))
		r.accept()
		r.lane.Flush()
		r.start("two", SendValue("2"))
		r.closed(refused)
	})
}

// The second message must not overtake the repetition of the first.
func TestSecondMessageDuringRetry(t *testing.T) {
	for _, early := range []bool{true, false} {
		r := newRig(t, nil)
		r.start("one", SendInitialMetadata(nil), SendValue("1"))
		r.accept()
		r.want("sent", "one")
		r.opener.manual = early
		r.closed(refused)
		r.start("two", SendValue("2"), SendClose())
		if early {
			r.opener.bind(r.c)
		}
		s := r.stream()
		if len(s.messages) != 1 || s.messages[0] != wire("1") || s.given.End {
			t.Fatalf("second attempt was given %q, %+v", s.messages, s.given)
		}
		r.accept()
		r.want("only the first is there")
		if len(s.messages) != 2 || s.messages[1] != wire("2") || !s.given.End {
			t.Fatalf("second attempt was given %q, %+v", s.messages, s.given)
		}
		r.accept()
		r.want("and now the second", "two")
	}
}

// A call that ends while its retry waits for a stream leaves nothing behind.
func TestCancelDuringRetry(t *testing.T) {
	r := newRig(t, nil)
	var st cqrpc.Status
	r.start("all", SendInitialMetadata(nil), SendValue("m"), RecvStatus(&st, nil))
	r.opener.manual = true
	r.closed(refused)
	r.c.Cancel()
	r.want("cancelled", "all")
	if r.opener.forgot != 1 || st.Code != cqrpc.CodeCanceled {
		t.Errorf("forgot %d times, %v", r.opener.forgot, st)
	}
	r.opener.bind(r.c)
	if !r.stream().isReset() || r.stream().given.Headers {
		t.Error("a late answer must be turned down")
	}
}

// The timeout sent is what is left when the headers go out, each time.
func TestTimeoutIsMeasuredWhenSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(cfg *Config, o *fakeOpener) {
			cfg.Deadline = time.Now().Add(10 * time.Second)
			o.manual = true
		})
		r.start("init", SendInitialMetadata(nil))
		for _, want := range []string{"8S", "6S"} {
			wait(2 * time.Second)
			r.opener.bind(r.c)
			if got := fieldValue(r.stream().headers, "grpc-timeout"); got != want {
				t.Errorf("grpc-timeout %q, want %q", got, want)
			}
			r.closed(unsent)
		}
	})
}

// wait lets d pass in a synctest bubble.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestFail(t *testing.T) {
	r := newRig(t, func(_ *Config, o *fakeOpener) { o.manual = true })
	var st cqrpc.Status
	hdr := cqrpc.Pairs("stale", "x")
	r.start("st", RecvStatus(&st, nil))
	r.start("hdr", RecvInitialMetadata(&hdr))
	r.start("sends", SendInitialMetadata(nil), SendValue("m"), SendClose())
	r.want("waiting for a stream")
	if r.opener.opened != 1 {
		t.Fatalf("opened %d times", r.opener.opened)
	}
	r.c.Fail(cqrpc.Status{Code: cqrpc.CodeUnavailable, Message: "no address"}, nil)
	r.want("no stream", "st", "!hdr", "!sends")
	if st.Code != cqrpc.CodeUnavailable || st.Message != "no address" || r.opener.forgot != 0 {
		t.Errorf("%v, forgot %d", st, r.opener.forgot)
	}
}

// Without a stream there is no OK, whatever the opener says.
func TestFailWithoutAReason(t *testing.T) {
	r := newRig(t, func(_ *Config, o *fakeOpener) { o.manual = true })
	var st cqrpc.Status
	r.start("st", SendInitialMetadata(nil), RecvStatus(&st, nil))
	r.c.Fail(cqrpc.Status{}, nil)
	r.want("no stream", "st")
	if st.Code != cqrpc.CodeUnknown || st.Message == "" {
		t.Errorf("status %v", st)
	}
}

func TestWaitForReady(t *testing.T) {
	for _, tt := range []struct {
		byDefault bool
		flags     Flags
		want      bool
	}{
		{false, 0, false}, {true, 0, true}, {false, WaitForReady, true},
		{true, WaitForReadySet, false}, {false, WaitForReadySet | WaitForReady, true},
	} {
		r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.WaitForReady = tt.byDefault })
		r.start("init", SendInitialMetadata(nil).With(tt.flags))
		if got := r.c.WaitsForReady(); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}

// Sends accepted before the stream is there go out together.
func TestSendsWaitForTheStream(t *testing.T) {
	r := newRig(t, func(_ *Config, o *fakeOpener) { o.manual = true })
	r.start("msg", SendValue("m"))
	r.start("close", SendClose())
	if r.opener.opened != 0 {
		t.Fatal("opened without initial metadata")
	}
	r.start("init", SendInitialMetadata(nil))
	r.opener.bind(r.c)
	if s := r.stream(); !s.given.Headers || s.given.Messages != 1 || !s.given.End {
		t.Fatalf("given %+v", s.given)
	}
	r.accept()
	r.want("sent", "msg", "close", "init")
}
