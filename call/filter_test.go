package call

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/frame"
	"google.golang.org/protobuf/types/known/durationpb"
)

// diary is what filters have seen.
type diary struct {
	mu    sync.Mutex
	lines []string
	ends  []End
	panic []any
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
	d.mu.Unlock()
}

// filter notes all that it sees, under its name.
func (d *diary) filter(name string) Filter {
	return func(ctx context.Context, s *Start) (context.Context, error) {
		d.note("%s starts", name)
		s.OnSend = func(m any) error { d.note("%s sends %s", name, text(m)); return nil }
		s.OnRecv = func(m any) error { d.note("%s receives %s", name, text(m)); return nil }
		s.OnEnd = func(e End) {
			d.note("%s ends %v", name, e.Status)
			d.mu.Lock()
			d.ends = append(d.ends, e)
			d.mu.Unlock()
		}
		return ctx, nil
	}
}

func text(m any) string {
	switch m := m.(type) {
	case *string:
		return *m
	case *Buffer:
		return "bytes " + string(m.Bytes())
	}
	return fmt.Sprint(m)
}

func (d *diary) want(t *testing.T, why string, lines ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, lines) {
		t.Fatalf("%s: filters saw\n\t%s\nwant\n\t%s", why, strings.Join(d.lines, "\n\t"), strings.Join(lines, "\n\t"))
	}
	d.lines = nil
}

// wantEnd fails unless the filters were told one end, with the code.
func (d *diary) wantEnd(t *testing.T, code cqrpc.Code) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.ends) != 1 || d.ends[0].Status.Code != code {
		t.Errorf("the ends are %v, want one, %v", d.ends, code)
	}
}

// settings have text for messages, and filters.
func (d *diary) settings(filters ...Filter) *Settings {
	return NewSettings(Settings{Codec: textCodec{}, Filters: filters, Panicked: func(_ string, v any, stack []byte) {
		d.mu.Lock()
		d.panic = append(d.panic, v)
		d.mu.Unlock()
		if len(stack) == 0 {
			panic("BUG: no stack")
		}
	}})
}

func (d *diary) wantPanic(t *testing.T, v any) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.panic) != 1 || d.panic[0] != v {
		t.Errorf("reported panics: %v, want %v", d.panic, v)
	}
}

// newFilteredRig makes a client call that goes through filters.
func newFilteredRig(t *testing.T, d *diary, filters ...Filter) *rig {
	return newRig(t, func(cfg *Config, _ *fakeOpener) {
		cfg.Settings = d.settings(filters...)
		cfg.Filter(context.Background(), nil)
	})
}

// newFilteredServer makes a server call and lets its filters see it.
func newFilteredServer(t *testing.T, d *diary, filters ...Filter) (*rig, *cqrpc.Error) {
	r := newServerRig(t, Config{Settings: d.settings(filters...)})
	return r, r.c.Admit(context.Background())
}

// The first filter is the outermost, on both sides.
func TestFiltersInOrder(t *testing.T) {
	t.Run("client", func(t *testing.T) {
		var d diary
		r := newFilteredRig(t, &d, d.filter("a"), d.filter("b"))
		d.want(t, "the call is made", "a starts", "b starts")
		var v string
		var st cqrpc.Status
		r.start("all", SendInitialMetadata(nil), SendValue("ping"), SendClose(), RecvValue(&v, nil), RecvStatus(&st, nil))
		d.want(t, "from the application", "a sends ping", "b sends ping")
		r.accept()
		r.response()
		r.data(wire("pong"), false)
		r.trailers("grpc-status", "0")
		d.want(t, "the response may not decode")
		r.want("it does", "all")
		d.want(t, "to the application", "b receives pong", "a receives pong", "b ends OK", "a ends OK")
		want := End{Sent: Traffic{1, 4}, Received: Traffic{1, 4}}
		if e := d.ends[0]; e.Sent != want.Sent || e.Received != want.Received {
			t.Errorf("the end is %+v, want %+v", e, want)
		}
		r.c.Close()
		d.want(t, "once")
	})
	t.Run("server", func(t *testing.T) {
		var d diary
		r, refusal := newFilteredServer(t, &d, d.filter("a"), d.filter("b"))
		if refusal != nil {
			t.Fatal(refusal)
		}
		d.want(t, "the call has come", "a starts", "b starts")
		var v string
		r.start("recv", RecvValue(&v, nil))
		r.data(wire("ping"), true)
		d.want(t, "nobody has taken it")
		r.want("now", "recv")
		d.want(t, "to the handler", "a receives ping", "b receives ping")
		r.start("reply", SendInitialMetadata(nil), SendValue("pongs"),
			SendStatus(cqrpc.Status{Code: cqrpc.CodeNotFound, Message: "half"}, nil))
		d.want(t, "from the handler", "b sends pongs", "a sends pongs")
		r.accept()
		d.want(t, "the status is out", "b ends NOT_FOUND: half", "a ends NOT_FOUND: half")
		r.want("the application is told after that", "reply")
		if e := d.ends[0]; e.Sent != (Traffic{1, 5}) || e.Received != (Traffic{1, 4}) {
			t.Errorf("the end is %+v", e)
		}
	})
}

// However a call ends, its filters are told once.
func TestEveryEndOfAFilteredCall(t *testing.T) {
	started := func(t *testing.T, d *diary) *rig {
		r := newFilteredRig(t, d, d.filter("f"))
		r.start("all", SendInitialMetadata(nil), RecvStatus(nil, nil))
		r.accept()
		return r
	}
	clients := map[cqrpc.Code]func(t *testing.T, d *diary) *rig{
		cqrpc.CodeCanceled: func(t *testing.T, d *diary) *rig {
			r := newFilteredRig(t, d, d.filter("f"))
			r.c.Close() // never sent
			return r
		},
		cqrpc.CodeAborted: func(t *testing.T, d *diary) *rig {
			r := started(t, d)
			r.c.CancelWithStatus(cqrpc.CodeAborted, "by the caller")
			return r
		},
		cqrpc.CodeDataLoss: func(t *testing.T, d *diary) *rig {
			r := started(t, d)
			r.headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "15")
			return r
		},
		cqrpc.CodeUnavailable: func(t *testing.T, d *diary) *rig {
			r := newRig(t, func(cfg *Config, o *fakeOpener) {
				o.manual, cfg.Settings = true, d.settings(d.filter("f"))
				cfg.Filter(context.Background(), nil)
			})
			r.start("all", SendInitialMetadata(nil), RecvStatus(nil, nil))
			r.c.Fail(cqrpc.Status{Code: cqrpc.CodeUnavailable, Message: "gone"}, nil)
			return r
		},
	}
	for code, end := range clients {
		t.Run(code.String(), func(t *testing.T) {
			var d diary
			r := end(t, &d)
			r.c.Close()
			d.wantEnd(t, code)
		})
	}
	t.Run("connection lost", func(t *testing.T) {
		var d diary
		r := started(t, &d)
		r.response()
		r.closed(&frame.CloseError{Kind: frame.ConnLost})
		d.wantEnd(t, cqrpc.CodeUnavailable)
	})
	t.Run("server cancelled", func(t *testing.T) {
		var d diary
		r, _ := newFilteredServer(t, &d, d.filter("f"))
		r.closed(&frame.CloseError{Kind: frame.ResetByPeer, Code: frame.Cancel})
		d.wantEnd(t, cqrpc.CodeCanceled)
	})
	t.Run("server over before the filters are done", func(t *testing.T) {
		var d diary
		r := newServerRig(t, Config{Settings: d.settings(d.filter("f"))})
		r.c.Cancel()
		d.want(t, "they have not started")
		if refusal := r.c.Admit(context.Background()); refusal != nil {
			t.Fatal(refusal)
		}
		d.want(t, "they have", "f starts", "f ends CANCELLED: CANCELLED")
	})
	t.Run("deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			r := newRig(t, func(cfg *Config, _ *fakeOpener) {
				cfg.Deadline, cfg.Settings = time.Now().Add(time.Second), d.settings(d.filter("f"))
				cfg.Filter(context.Background(), nil)
			})
			r.start("all", SendInitialMetadata(nil), RecvStatus(nil, nil))
			wait(2 * time.Second)
			d.wantEnd(t, cqrpc.CodeDeadlineExceeded)
			r.want("over", "all")
		})
	})
}

// If the response does not decode, an OK becomes a failure, and the filters are told that.
func TestFiltersKnowWhatTheApplicationDoes(t *testing.T) {
	var d diary
	r := newFilteredRig(t, &d, d.filter("f"))
	var st cqrpc.Status
	var v string
	r.start("all", SendInitialMetadata(nil), SendClose(), RecvValue(&v, nil), RecvStatus(&st, nil))
	r.accept()
	r.response()
	r.data(wire("bad"), false)
	r.trailers("grpc-status", "0")
	r.want("over", "all")
	if st.Code != cqrpc.CodeInternal || len(d.ends) != 1 || d.ends[0].Status.Code != st.Code {
		t.Errorf("the application was told %v, the filters %v", st, d.ends)
	}
	if d.ends[0].Received.Messages != 0 {
		t.Error("a message that nobody got was counted")
	}
}

// A filter refuses a call: it ends before anything is sent, with status, details and
// cause, and filters behind never hear of it.
func TestFilterRefusesACall(t *testing.T) {
	reason := errors.New("no token")
	st, err := cqrpc.Status{Code: cqrpc.CodeUnauthenticated, Message: "who are you?"}.WithDetails(durationpb.New(1))
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(d *diary) Filter {
		inner := d.filter("b")
		return func(ctx context.Context, s *Start) (context.Context, error) {
			_, _ = inner(ctx, s)
			return nil, &cqrpc.Error{Status: st, Cause: reason}
		}
	}
	told := []string{"a starts", "b starts", "b ends " + st.String(), "a ends " + st.String()}
	t.Run("client", func(t *testing.T) {
		var d diary
		r := newFilteredRig(t, &d, d.filter("a"), refuse(&d), d.filter("c"))
		d.want(t, "refused", told...)
		r.start("all", SendInitialMetadata(nil), SendValue("x"), RecvStatus(nil, nil))
		r.want("over", "all")
		if err := r.c.Err(); !errors.Is(err, reason) || cqrpc.CodeOf(err) != st.Code || len(cqrpc.StatusOf(err).Details) != 1 {
			t.Errorf("the call's error is %v", err)
		}
		if r.opener.opened != 0 {
			t.Error("a stream was asked for")
		}
		d.want(t, "no message of it is seen")
	})
	t.Run("server", func(t *testing.T) {
		var d diary
		r, refusal := newFilteredServer(t, &d, d.filter("a"), refuse(&d), d.filter("c"))
		if refusal == nil || !errors.Is(refusal, reason) {
			t.Fatalf("refusal %v", refusal)
		}
		r.start("status", SendStatus(refusal.Status, nil))
		r.accept()
		r.want("answered", "status")
		d.want(t, "refused", told...)
		if _, ok := valueOf(r.server.trailers, "grpc-status-details-bin"); !ok {
			t.Error("the details are missing")
		}
	})
	t.Run("no call is made", func(t *testing.T) {
		var d diary
		cfg := Config{Settings: d.settings(d.filter("a"), refuse(&d))}
		if _, _, err := cfg.Filter(context.Background(), nil); err == nil {
			t.Fatal("not refused")
		} else if got := cfg.Abort(err); got != err {
			t.Errorf("Abort returned %v", got)
		}
		d.want(t, "refused", told...)
	})
}

// A filter refuses a message: it is not sent, or not received, and the call ends.
func TestFilterRefusesAMessage(t *testing.T) {
	reason := errors.New("a list of words")
	veto := func(word string) Filter {
		see := func(m any) error {
			if strings.Contains(text(m), word) {
				err := cqrpc.Errorf(cqrpc.CodeInvalidArgument, "%s is not said here", word)
				return &cqrpc.Error{Status: err.Status, Cause: reason}
			}
			return nil
		}
		return func(ctx context.Context, s *Start) (context.Context, error) {
			s.OnSend, s.OnRecv = see, see
			return ctx, nil
		}
	}
	const status = "INVALID_ARGUMENT: damn is not said here"
	t.Run("client sends", func(t *testing.T) {
		for _, op := range []Op{SendValue("damn"), SendMessage(CopyBuffer([]byte("damn")))} {
			var d diary
			r := newFilteredRig(t, &d, d.filter("f"), veto("damn"))
			var st cqrpc.Status
			r.start("status", SendInitialMetadata(nil), RecvStatus(&st, nil))
			r.start("send", op)
			r.accept()
			r.want("refused", "!send", "status")
			if st.String() != status || len(r.stream().messages) != 0 || !r.stream().isReset() {
				t.Errorf("the call ended with %v, its stream got %q", st, r.stream().messages)
			}
			if err := r.c.Err(); !errors.Is(err, reason) {
				t.Errorf("the call's error is %v", err)
			}
			if len(d.ends) != 1 || d.ends[0].Status.String() != status || d.ends[0].Sent != (Traffic{}) {
				t.Errorf("the ends are %+v", d.ends)
			}
		}
	})
	t.Run("client receives", func(t *testing.T) {
		var d diary
		r := newFilteredRig(t, &d, d.filter("f"), veto("damn"))
		var v string
		var st cqrpc.Status
		r.start("all", SendInitialMetadata(nil), SendClose(), RecvValue(&v, nil), RecvStatus(&st, nil))
		r.accept()
		r.response()
		r.data(wire("damn"), false)
		r.trailers("grpc-status", "0")
		r.want("over", "all")
		if st.String() != status {
			t.Errorf("the call ended with %v", st)
		}
		if err := r.c.Err(); !errors.Is(err, reason) {
			t.Errorf("the call's error is %v", err)
		}
	})
	t.Run("client receives bytes", func(t *testing.T) {
		var d diary
		r := newFilteredRig(t, &d, veto("bytes damn"))
		r.start("init", SendInitialMetadata(nil))
		r.accept()
		r.response()
		var b *Buffer
		r.start("recv", RecvMessage(&b))
		r.data(wire("damn"), false)
		if ev := r.want("refused", "init", "!recv"); b != nil {
			t.Errorf("got %q, %v", take(b), ev)
		}
	})
	t.Run("server receives, and has a message on its way", func(t *testing.T) {
		var d diary
		r, _ := newFilteredServer(t, &d, veto("damn"))
		r.start("send", SendInitialMetadata(nil), SendValue("first"))
		var v string
		r.start("recv", RecvValue(&v, nil))
		r.data(wire("damn"), false)
		r.want("refused", "!send", "!recv")
		if got, _ := valueOf(r.server.trailers, "grpc-message"); got != "damn is not said here" || r.server.isReset() {
			t.Errorf("the client was told %q, reset %v: the status follows the message", got, r.server.isReset())
		}
	})
	t.Run("server sends", func(t *testing.T) {
		var d diary
		r, _ := newFilteredServer(t, &d, veto("damn"))
		r.start("close", RecvClose(nil))
		r.start("reply", SendInitialMetadata(nil), SendValue("damn"), SendStatus(cqrpc.Status{}, nil))
		r.want("refused", "!reply", "close")
		if code, _ := valueOf(r.server.trailers, "grpc-status"); code != "3" || len(r.server.messages) != 0 {
			t.Errorf("the client was told %q, and got %q", code, r.server.messages)
		}
	})
	t.Run("server decodes", func(t *testing.T) {
		var d diary
		r, _ := newFilteredServer(t, &d, d.filter("f"), veto("damn"))
		b := CopyBuffer([]byte("damn"))
		defer b.Free()
		var v string
		if err := r.c.Decode(b, &v); err == nil || err.Status.String() != status {
			t.Errorf("Decode: %v", err)
		}
		if err := r.c.Decode(b, nil); err == nil {
			t.Errorf("Decode into nil: %v", err)
		}
		d.want(t, "both were seen", "f starts", "f receives damn", "f receives bytes damn")
	})
}

// A filter that panics fails its call, and the panic is reported.
func TestFilterPanics(t *testing.T) {
	t.Run("at the start", func(t *testing.T) {
		var d diary
		r := newFilteredRig(t, &d, d.filter("a"), func(context.Context, *Start) (context.Context, error) { panic("x") })
		d.want(t, "INTERNAL", "a starts", "a ends INTERNAL: panic in filter")
		d.wantPanic(t, "x")
		if cqrpc.CodeOf(r.c.Err()) != cqrpc.CodeInternal {
			t.Errorf("the call ended with %v", r.c.Err())
		}
	})
	t.Run("by its error", func(t *testing.T) {
		var d diary
		var none *cqrpc.Error
		r := newFilteredRig(t, &d, d.filter("a"), func(context.Context, *Start) (context.Context, error) {
			return nil, none
		})
		d.want(t, "INTERNAL", "a starts", "a ends INTERNAL: panic in filter")
		if len(d.panic) != 1 || cqrpc.CodeOf(r.c.Err()) != cqrpc.CodeInternal {
			t.Errorf("the call ended with %v, reported were %v", r.c.Err(), d.panic)
		}
	})
	t.Run("at a message", func(t *testing.T) {
		var d diary
		r := newFilteredRig(t, &d, d.filter("a"), func(ctx context.Context, s *Start) (context.Context, error) {
			s.OnSend = func(any) error { panic("x") }
			return ctx, nil
		})
		r.start("send", SendInitialMetadata(nil), SendValue("v"))
		r.want("INTERNAL", "!send")
		d.want(t, "INTERNAL", "a starts", "a sends v", "a ends INTERNAL: panic in filter")
		d.wantPanic(t, "x")
	})
	t.Run("at the end", func(t *testing.T) {
		var d diary
		r := newFilteredRig(t, &d, d.filter("a"), func(ctx context.Context, s *Start) (context.Context, error) {
			s.OnEnd = func(End) { panic("x") }
			return ctx, nil
		})
		r.c.Cancel()
		d.want(t, "the others are told", "a starts", "a ends CANCELLED: CANCELLED")
		d.wantPanic(t, "x")
	})
}

// A filter that ends its goroutine fails its call, too.
func TestFilterEndsItsGoroutine(t *testing.T) {
	exit := func(set func(s *Start)) Filter {
		return func(ctx context.Context, s *Start) (context.Context, error) {
			set(s)
			return ctx, nil
		}
	}
	apart := func(f func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			f()
		}()
		<-done
	}
	t.Run("at the start", func(t *testing.T) {
		var d diary
		set := d.settings(d.filter("a"), exit(func(*Start) { runtime.Goexit() }))
		apart(func() {
			cfg := Config{Settings: set}
			cfg.Filter(context.Background(), nil)
		})
		d.want(t, "there is no call", "a starts", "a ends INTERNAL: panic in filter")
		d.wantPanic(t, nil)
	})
	t.Run("at a message", func(t *testing.T) {
		var d diary
		r := newFilteredRig(t, &d, d.filter("a"), exit(func(s *Start) { s.OnSend = func(any) error { runtime.Goexit(); return nil } }))
		apart(func() { _ = r.c.StartBatch([]Op{SendInitialMetadata(nil), SendValue("v")}, "send") })
		d.want(t, "the call is over", "a starts", "a sends v", "a ends INTERNAL: panic in filter")
	})
	t.Run("at the end", func(t *testing.T) {
		var d diary
		r := newFilteredRig(t, &d, d.filter("a"), exit(func(s *Start) { s.OnEnd = func(End) { runtime.Goexit() } }))
		apart(r.c.Cancel)
		d.want(t, "the others are told", "a starts", "a ends CANCELLED: CANCELLED")
	})
}

// Metadata that filters add is checked; at batch level it goes behind that of the batch.
func TestFiltersAddMetadata(t *testing.T) {
	add := func(pairs ...string) Filter {
		return func(ctx context.Context, s *Start) (context.Context, error) {
			s.Metadata = append(s.Metadata, cqrpc.Pairs(pairs...)...)
			return ctx, nil
		}
	}
	t.Run("style", func(t *testing.T) {
		var d diary
		shared := make(cqrpc.Metadata, 1, 8) // with room for what one call adds, and then another
		shared[0] = cqrpc.Pairs("k", "v")[0]
		cfg := Config{Settings: d.settings(add("a", "1"))}
		_, first, _ := cfg.Filter(context.Background(), shared)
		cfg.Settings = d.settings(add("b", "2"))
		_, second, _ := cfg.Filter(context.Background(), shared)
		if first.Get("a") != "1" || first.Get("k") != "v" || second.Get("b") != "2" || len(second) != 2 {
			t.Errorf("the metadata is %v, then %v", first, second)
		}
	})
	t.Run("batch level", func(t *testing.T) {
		var d diary
		r := newRig(t, func(cfg *Config, _ *fakeOpener) {
			cfg.Settings = d.settings(add("a", "1"), add("b", "2"))
			cfg.FilterBatch()
		})
		r.start("init", SendInitialMetadata(cqrpc.Pairs("k", "v")))
		for _, want := range []string{"k v", "a 1", "b 2"} {
			key, value, _ := strings.Cut(want, " ")
			if got, _ := valueOf(r.stream().headers, key); got != value {
				t.Errorf("%s is %q, want %q", key, got, value)
			}
		}
		r.accept()
		r.want("out", "init")
	})
	t.Run("illegal", func(t *testing.T) {
		var d diary
		r := newFilteredRig(t, &d, d.filter("f"), add("not a key", ""))
		if cqrpc.CodeOf(r.c.Err()) != cqrpc.CodeInternal || len(d.ends) != 1 {
			t.Errorf("the call ended with %v, the filters were told %v", r.c.Err(), d.ends)
		}
	})
}

// The context of a call is what its filters have made of it.
func TestFiltersMakeTheContext(t *testing.T) {
	type key string
	var d diary
	var seen any
	put := func(ctx context.Context, _ *Start) (context.Context, error) {
		return context.WithValue(ctx, key("who"), "alice"), nil
	}
	look := func(ctx context.Context, s *Start) (context.Context, error) {
		seen = ctx.Value(key("who"))
		return nil, nil //nolint:nilnil // the context as it is
	}
	r, _ := newFilteredServer(t, &d, put, look)
	if seen != "alice" || r.c.Value(key("who")) != "alice" || r.c.Value(key("else")) != nil {
		t.Errorf("the next filter saw %v, the call has %v", seen, r.c.Value(key("who")))
	}
	if c := newServerRig(t, Config{}).c; c.Value(key("who")) != nil {
		t.Error("a call without filters has values")
	}
}

// Sizes are those before compression and after it.
func TestFiltersCountBytesAsTheyAre(t *testing.T) {
	var d diary
	long := strings.Repeat("long ", 1000)
	set := NewSettings(Settings{Codec: textCodec{}, Filters: []Filter{d.filter("f")}, Compressor: "gzip"})
	r := newRig(t, func(cfg *Config, _ *fakeOpener) {
		cfg.Settings = set
		cfg.Filter(context.Background(), nil)
	})
	var v string
	r.start("all", SendInitialMetadata(nil), SendValue(long), SendClose(), RecvValue(&v, nil), RecvStatus(nil, nil))
	r.accept()
	if n := len(r.stream().messages[0]); n > 1000 {
		t.Fatalf("the message was not compressed: %d bytes", n)
	}
	packed, err := codec.Gzip().Compress(nil, []byte(long))
	if err != nil {
		t.Fatal(err)
	}
	r.response("grpc-encoding", "gzip")
	r.data(prefix(true, len(packed))+string(packed), false)
	r.trailers("grpc-status", "0")
	r.want("over", "all")
	if e := d.ends[0]; e.Sent.Bytes != uint64(len(long)) || e.Received.Bytes != uint64(len(long)) {
		t.Errorf("the end is %+v, want %d bytes each way", e, len(long))
	}
}

// Messages that came before the call failed are seen by filters when they are read.
func TestFiltersSeeWhatIsReadLate(t *testing.T) {
	var d diary
	r := newFilteredRig(t, &d, d.filter("f"))
	r.start("status", SendInitialMetadata(nil), RecvStatus(nil, nil))
	r.accept()
	r.response()
	r.data(wire("late"), false)
	r.trailers("grpc-status", "10")
	r.want("it does not wait for the message", "status")
	var v string
	r.start("recv", RecvValue(&v, nil))
	r.want("still there", "recv")
	d.want(t, "in this order", "f starts", "f ends ABORTED", "f receives late")
}
