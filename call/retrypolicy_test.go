package call

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// steady is a policy whose back-off does not grow: 100 ms, 20 % more or less.
func steady() *RetryPolicy {
	return &RetryPolicy{
		MaxAttempts: 3, InitialBackoff: 100 * time.Millisecond, MaxBackoff: 100 * time.Millisecond, BackoffMultiplier: 1,
		Codes: []cqrpc.Code{cqrpc.CodeUnavailable, cqrpc.CodeAborted},
	}
}

// The bounds of steady's back-off.
const (
	soonest = 80 * time.Millisecond
	latest  = 120 * time.Millisecond
)

// retry runs script with a call that has a policy, in a bubble.
func retry(t *testing.T, policy *RetryPolicy, script func(r *rig), setUp ...func(*Config, *fakeOpener)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(cfg *Config, o *fakeOpener) {
			cfg.Retry = policy
			for _, f := range setUp {
				f(cfg, o)
			}
		})
		script(r)
	})
}

// refuse is an answer of status only.
func (r *rig) refuse(status string, pairs ...string) {
	r.trailers(append([]string{":status", "200", "content-type", "application/grpc", "grpc-status", status}, pairs...)...)
}

// wantStreams checks how many streams have been opened by now.
func (r *rig) wantStreams(why string, n int) {
	r.t.Helper()
	synctest.Wait()
	r.opener.mu.Lock()
	defer r.opener.mu.Unlock()
	if len(r.opener.streams) != n {
		r.t.Fatalf("%s: %d streams were opened, want %d; %v", why, len(r.opener.streams), n, r.c)
	}
}

// wantGiven checks which messages, prefixed, the current stream has been given, and whether an end.
func (r *rig) wantGiven(why string, end bool, messages ...string) {
	r.t.Helper()
	s := r.stream()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range messages {
		messages[i] = wire(messages[i])
	}
	if !s.given.Headers || !slices.Equal(s.messages, messages) || s.given.End != end {
		r.t.Fatalf("%s: the stream was given %q, %+v; want %q, end %v", why, s.messages, s.given, messages, end)
	}
}

// wantAttempt checks how many earlier attempts the current stream's request tells of.
func (r *rig) wantAttempt(why, n string) {
	r.t.Helper()
	var got []string
	for _, f := range r.stream().headers {
		if f.Name == "grpc-previous-rpc-attempts" {
			got = append(got, f.Value)
		}
	}
	if text := strings.Join(got, ","); text != n {
		r.t.Errorf("%s: grpc-previous-rpc-attempts %q, want %q", why, text, n)
	}
}

// startAll starts a unary call and returns where its status goes.
func (r *rig) startAll() *cqrpc.Status {
	st := new(cqrpc.Status)
	r.start("all", SendInitialMetadata(cqrpc.Pairs("k", "v")), SendValue("m"), SendClose(),
		RecvInitialMetadata(nil), RecvValue(new(string), nil), RecvStatus(st, nil))
	return st
}

func (r *rig) wantStatus(why string, st *cqrpc.Status, code cqrpc.Code, words string) {
	r.t.Helper()
	r.want(why, "all")
	if st.Code != code || !strings.Contains(st.Message, words) {
		r.t.Errorf("%s: status %v, want %v with %q", why, *st, code, words)
	}
}

// retry: a call that fails is sent again as a whole, after a back-off, and the application is told
// once.
func TestRetryPolicy(t *testing.T) {
	retry(t, steady(), func(r *rig) {
		var hdr, trl cqrpc.Metadata
		var st cqrpc.Status
		var v string
		r.start("all", SendInitialMetadata(cqrpc.Pairs("k", "v")), SendValue("m"), SendClose(),
			RecvInitialMetadata(&hdr), RecvValue(&v, nil), RecvStatus(&st, &trl))
		r.accept()
		r.wantAttempt("the first", "")
		request := lines(r.stream().headers)
		for i, n := range []string{"1", "2"} {
			r.refuse("14", "t", n)
			r.want("it is sent again")
			wait(soonest - 1)
			r.wantStreams("not yet", i+1)
			wait(latest - soonest + 1)
			r.wantStreams("now", i+2)
			r.wantGiven("all of it", true, "m")
			r.wantAttempt("counted", n)
			if got := lines(r.stream().headers); !strings.HasPrefix(got, request) {
				r.t.Errorf("the request was %q, is %q", request, got)
			}
		}
		r.accept()
		r.response("h", "3")
		r.data(wire("reply"), false)
		r.trailers("grpc-status", "0", "t", "3")
		r.want("the last attempt counts", "all")
		if st.Code != cqrpc.CodeOK || v != "reply" || hdr.Get("h") != "3" || len(trl) != 1 || trl.Get("t") != "3" {
			r.t.Errorf("%v %q %v %v", st, v, hdr, trl)
		}
		if r.opener.rested != 2 || r.opener.forgot != 0 || r.opener.opened != 3 {
			r.t.Errorf("rested %d times, forgot %d, opened %d", r.opener.rested, r.opener.forgot, r.opener.opened)
		}
	})
}

// Metadata of which nothing is sent does not keep the attempt from being numbered.
func TestRetryWithoutFieldsOfItsOwn(t *testing.T) {
	for name, md := range map[string]cqrpc.Metadata{
		"none": nil, "reserved": cqrpc.Pairs("user-agent", "a", "content-type", "b"),
	} {
		t.Run(name, func(t *testing.T) {
			retry(t, steady(), func(r *rig) {
				st := new(cqrpc.Status)
				r.start("all", SendInitialMetadata(md), SendValue("m"), SendClose(), RecvStatus(st, nil))
				for _, n := range []string{"", "1", "2"} {
					r.wantAttempt("counted", n)
					r.refuse("14")
					wait(latest)
				}
				r.wantStatus("no more", st, cqrpc.CodeUnavailable, "")
			})
		})
	}
}

// What ends an attempt that can be repeated, and is.
func TestRetryOf(t *testing.T) {
	internal := steady()
	internal.Codes = []cqrpc.Code{cqrpc.CodeInternal}
	for _, tt := range []struct {
		name   string
		policy *RetryPolicy
		fail   func(r *rig)
		resets int
	}{
		{"a status alone", steady(), func(r *rig) { r.refuse("10") }, 0},
		{"a lost connection", steady(), func(r *rig) { r.closed(lost) }, 0},
		{"another HTTP status", steady(), func(r *rig) { r.headers(false, ":status", "503"); r.data("busy", true) }, 0},
		{"another HTTP status, at length", steady(), func(r *rig) {
			r.headers(false, ":status", "503")
			r.data(strings.Repeat("a", maxPage), false)
		}, 1},
		{"another HTTP status, alone", steady(), func(r *rig) { r.headers(true, ":status", "503") }, 0},
		{"messages before headers", internal, func(r *rig) { r.data(wire("x"), false) }, 1},
		{"malformed headers", internal, func(r *rig) {
			err := &frame.StreamError{StreamID: 1, Code: frame.ProtocolError}
			r.c.Receiver().OnHeaders(&frame.Headers{Err: err}, &r.lane)
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			retry(t, tt.policy, func(r *rig) {
				r.startAll()
				first := r.stream()
				tt.fail(r)
				wait(latest)
				r.wantStreams("repeated", 2)
				r.wantGiven("whole", true, "m")
				if n := len(first.resets); n != tt.resets {
					r.t.Errorf("the first stream was reset %d times, want %d", n, tt.resets)
				}
				finishOK(r)
				r.want("done", "all")
			})
		})
	}
}

// What ends the call although it has a policy.
func TestNoRetryOf(t *testing.T) {
	long := steady()
	long.MaxAttempts = 100
	for _, tt := range []struct {
		name    string
		policy  *RetryPolicy
		fail    func(r *rig)
		streams int
		code    cqrpc.Code
	}{
		{"another status", steady(), func(r *rig) { r.refuse("5") }, 1, cqrpc.CodeNotFound},
		{"a status behind headers", steady(), func(r *rig) { r.response(); r.trailers("grpc-status", "14") }, 1,
			cqrpc.CodeUnavailable},
		{"a stream lost behind headers", steady(), func(r *rig) { r.response(); r.closed(lost) }, 1, cqrpc.CodeUnavailable},
		{"too many attempts", steady(), func(r *rig) { r.failAll() }, 3, cqrpc.CodeUnavailable},
		{"more attempts than the policy is heard for", long, func(r *rig) { r.failAll() }, 5, cqrpc.CodeUnavailable},
		{"pushback below zero", steady(), func(r *rig) { r.refuse("14", "grpc-retry-pushback-ms", "-1") }, 1,
			cqrpc.CodeUnavailable},
		{"pushback of no number", steady(), func(r *rig) { r.refuse("14", "grpc-retry-pushback-ms", "soon") }, 1,
			cqrpc.CodeUnavailable},
		{"pushback past 32 bits", steady(), func(r *rig) { r.refuse("14", "grpc-retry-pushback-ms", "2147483648") }, 1,
			cqrpc.CodeUnavailable},
		{"pushback said twice", steady(), func(r *rig) {
			r.refuse("14", "grpc-retry-pushback-ms", "1", "grpc-retry-pushback-ms", "1")
		}, 1, cqrpc.CodeUnavailable},
		{"pushback with another status", steady(), func(r *rig) { r.refuse("5", "grpc-retry-pushback-ms", "1") }, 1,
			cqrpc.CodeNotFound},
		{"no policy", nil, func(r *rig) { r.refuse("14") }, 1, cqrpc.CodeUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			retry(t, tt.policy, func(r *rig) {
				st := r.startAll()
				tt.fail(r)
				r.wantStatus("at once", st, tt.code, "")
				wait(time.Hour)
				r.wantStreams("no other attempt", tt.streams)
			})
		})
	}
}

// failAll fails attempts until the call has ended.
func (r *rig) failAll() {
	for !r.c.Finished() {
		r.refuse("14")
		wait(latest)
	}
}

// Metadata that a server does not accept is not sent again.
func TestTooMuchMetadataIsNotRetried(t *testing.T) {
	policy := steady()
	policy.Codes = []cqrpc.Code{cqrpc.CodeResourceExhausted}
	retry(t, policy, func(r *rig) {
		st := r.startAll()
		s := &fakeStream{limit: 10}
		r.c.Bind(s, &Peer{})
		r.wantStatus("refused by this side", st, cqrpc.CodeResourceExhausted, "metadata")
		if !s.isReset() || r.opener.rested != 0 {
			r.t.Errorf("reset %v, rested %d times", s.isReset(), r.opener.rested)
		}
	}, func(_ *Config, o *fakeOpener) { o.manual = true })
}

// retry_server_pushback_delay: the delay that the server asks for is kept exactly, and the back-off
// starts again.
func TestRetryPushback(t *testing.T) {
	policy := steady()
	policy.MaxAttempts, policy.BackoffMultiplier, policy.MaxBackoff = 5, 100, time.Hour
	retry(t, policy, func(r *rig) {
		r.startAll()
		for i, step := range []struct {
			pushback         string
			earliest, latest time.Duration
		}{
			{"", soonest, latest},
			{"2000", 2 * time.Second, 2 * time.Second},
			{"", soonest, latest},
			{"0", 0, 0},
		} {
			if step.pushback != "" {
				r.refuse("14", "grpc-retry-pushback-ms", step.pushback)
			} else {
				r.refuse("14")
			}
			if step.earliest > 0 {
				wait(step.earliest - 1)
				r.wantStreams("not yet", i+1)
				wait(step.latest - step.earliest + 1)
			}
			r.wantStreams("now", i+2)
		}
		finishOK(r)
		r.want("done", "all")
	})
}

// retry_cancellation: however a call ends, in whatever stage, all batches complete once.
func TestEndDuringRetry(t *testing.T) {
	ends := map[string]struct {
		end  func(r *rig)
		code cqrpc.Code
	}{
		"cancel":   {func(r *rig) { r.c.Cancel() }, cqrpc.CodeCanceled},
		"close":    {func(r *rig) { r.c.Close() }, cqrpc.CodeCanceled},
		"deadline": {func(*rig) { wait(time.Minute) }, cqrpc.CodeDeadlineExceeded},
	}
	stages := map[string]struct {
		reach func(r *rig)
		words string
	}{
		"the first attempt": {func(*rig) {}, ""},
		"the back-off": {func(r *rig) {
			r.refuse("14", "grpc-message", "busy", "grpc-retry-pushback-ms", "100000")
		}, "waiting for another attempt: UNAVAILABLE: busy"},
		"asking again": {func(r *rig) {
			r.opener.manual = true
			r.refuse("14")
			wait(latest)
		}, "waiting for a connection"},
		"the second attempt": {func(r *rig) { r.refuse("14"); wait(latest) }, ""},
		"the second back-off": {func(r *rig) {
			r.refuse("14")
			wait(latest)
			r.refuse("10", "grpc-retry-pushback-ms", "100000")
		}, "waiting for another attempt: ABORTED"},
	}
	for stage, reach := range stages {
		for name, tt := range ends {
			t.Run(name+" during "+stage, func(t *testing.T) {
				retry(t, steady(), func(r *rig) {
					st := new(cqrpc.Status)
					r.start("hdr", RecvInitialMetadata(nil))
					r.start("msg", RecvMessage(nil))
					r.start("all", SendInitialMetadata(nil), SendValue("m"), SendClose(), RecvStatus(st, nil))
					reach.reach(r)
					r.want("the call lives")
					streams := len(r.opener.streams)
					tt.end(r)
					r.want("all end", "all", "hdr", "!msg")
					words := reach.words
					if name != "deadline" {
						words = "" // Cancel says why by itself
					}
					if st.Code != tt.code || !strings.Contains(st.Message, words) {
						r.t.Errorf("status %v, want %v with %q", *st, tt.code, words)
					}
					if timer := r.c.caller.replay.retry.timer; timer != nil && timer.Stop() {
						r.t.Error("the call is over, and its timer runs")
					}
					wait(time.Hour)
					r.wantStreams("nothing follows", streams)
					if isWaiting := reach.words != ""; isWaiting != (r.opener.forgot == 1) {
						r.t.Errorf("forgot %d times", r.opener.forgot)
					}
				}, func(cfg *Config, _ *fakeOpener) { cfg.Deadline = time.Now().Add(time.Minute) })
			})
		}
	}
}

// Messages that were sent are sent again, in order, before those that follow.
func TestRetryOfMessages(t *testing.T) {
	retry(t, steady(), func(r *rig) {
		r.start("one", SendInitialMetadata(nil), SendValue("1"))
		r.accept()
		r.want("sent", "one")
		r.start("two", SendValue("2"))
		r.accept()
		r.want("sent", "two")
		r.refuse("14")
		r.start("three", SendValue("3"))
		r.want("it waits")
		wait(latest)
		r.wantGiven("one at a time", false, "1")
		r.accept()
		r.wantGiven("one at a time", false, "1", "2")
		r.accept()
		r.want("only what was sent before is there")
		r.wantGiven("the new one", false, "1", "2", "3")
		r.accept()
		r.want("and now that", "three")
		r.start("end", SendClose())
		r.accept()
		r.want("sent", "end")
		r.refuse("14")
		wait(latest)
		for range 3 {
			r.accept()
		}
		r.wantGiven("the end follows them", true, "1", "2", "3")
		r.start("st", RecvStatus(nil, nil))
		r.refuse("0")
		r.want("done", "st")
	})
}

// An attempt that fails while earlier messages are being sent again starts over with the first.
func TestRetryDuringReplay(t *testing.T) {
	fails := map[string]func(r *rig){
		"by policy":        func(r *rig) { r.refuse("14"); wait(latest) },
		"as unprocessed":   func(r *rig) { r.closed(refused) },
		"as unsent":        func(r *rig) { r.closed(unsent) },
		"without a stream": func(r *rig) { r.failOpen(); wait(latest) },
	}
	for name, fail := range fails {
		for sent := range 4 {
			t.Run(name, func(t *testing.T) {
				policy := steady()
				policy.MaxAttempts = 5
				retry(t, policy, func(r *rig) {
					r.start("init", SendInitialMetadata(nil))
					for _, m := range []string{"1", "2", "3"} {
						r.start(m, SendValue(m))
						r.accept()
					}
					r.want("sent", "init", "1", "2", "3")
					r.refuse("14")
					r.start("last", SendValue("4"), SendClose())
					wait(latest)
					for range sent {
						r.accept()
					}
					fail(r)
					r.want("nothing more is sent")
					for range 4 {
						r.accept()
					}
					r.wantGiven("from the start", true, "1", "2", "3", "4")
					r.want("at last", "last")
				})
			})
		}
	}
}

// failOpen has the attempt fail, and the next find no stream.
func (r *rig) failOpen() {
	r.opener.manual = true
	r.refuse("14")
	wait(latest)
	r.opener.manual = false
	r.c.Fail(cqrpc.Status{Code: cqrpc.CodeUnavailable}, nil)
}

// retry_streaming_succeeds_before_replay_finished: once the server answers, the rest of the
// messages goes out on that stream, and nothing is kept.
func TestCommitDuringReplay(t *testing.T) {
	retry(t, steady(), func(r *rig) {
		r.start("1", SendInitialMetadata(nil), SendValue("1"))
		r.accept()
		r.start("2", SendValue("2"))
		r.accept()
		r.want("sent", "1", "2")
		r.refuse("14")
		wait(latest)
		r.response()
		r.accept()
		r.start("3", SendValue("3"), SendClose())
		r.accept()
		r.wantGiven("all of it", true, "1", "2", "3")
		r.accept()
		r.want("sent", "3")
		var st cqrpc.Status
		r.start("all", RecvStatus(&st, nil))
		r.closed(lost)
		r.wantStatus("no attempt after an answer", &st, cqrpc.CodeUnavailable, "lost")
	})
}

// retry_exceeds_buffer_size: a call that has sent too much has no other attempt, except one that is
// due already.
func TestRetryBuffer(t *testing.T) {
	const size = 1000
	large := strings.Repeat("x", size-frame.PrefixLen-messageRoom+1)
	send := func(r *rig, tag, m string) {
		r.start(tag, SendValue(m))
		r.accept()
	}
	for _, tt := range []struct {
		name    string
		buffer  int
		script  func(r *rig)
		streams int
	}{
		{"in the first batch", size, func(r *rig) { r.start("1", SendInitialMetadata(nil), SendValue(large)) }, 1},
		{"which just fits", size, func(r *rig) { r.start("1", SendInitialMetadata(nil), SendValue(large[1:])) }, 3},
		{"in a later one", size, func(r *rig) {
			r.start("1", SendInitialMetadata(nil), SendValue("m"))
			r.accept()
			send(r, "2", large)
		}, 1},
		{"in the second attempt", size, func(r *rig) {
			r.start("1", SendInitialMetadata(nil), SendValue("m"))
			r.accept()
			r.refuse("14")
			wait(latest)
			r.accept()
			send(r, "2", large)
		}, 2},
		{"in the back-off", size, func(r *rig) {
			r.start("1", SendInitialMetadata(nil), SendValue("m"))
			r.accept()
			r.refuse("14")
			r.start("2", SendValue(large))
			wait(latest)
			r.accept()
			r.wantGiven("the attempt that is due has all", false, "m", large)
			r.accept()
		}, 2},
		{"of the default", 0, func(r *rig) {
			r.start("1", SendInitialMetadata(nil), SendValue(strings.Repeat("x", 256<<10)))
		}, 1},
		{"without one", -1, func(r *rig) {
			r.start("1", SendInitialMetadata(nil), SendValue(strings.Repeat("x", 256<<10)))
		}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			policy := steady()
			policy.Buffer = tt.buffer
			retry(t, policy, func(r *rig) {
				tt.script(r)
				r.failAll()
				r.wantStreams("attempts", tt.streams)
				r.lane.Flush()
				for r.q.NextUntil(past).Tag != nil {
				}
			})
		})
	}
}

// After a message beyond the buffer the call may still be repeated, as long as no server has seen
// it.
func TestUnprocessedBeyondTheBuffer(t *testing.T) {
	policy := steady()
	policy.Buffer = 1
	retry(t, policy, func(r *rig) {
		st := r.startAll()
		r.closed(unsent)
		r.closed(refused)
		r.wantGiven("again", true, "m")
		r.refuse("14")
		r.wantStatus("no policy", st, cqrpc.CodeUnavailable, "")
	})
}

// retry_transparent: attempts that no server has seen do not count, and are repeated at once.
func TestTransparentRetryBesidePolicy(t *testing.T) {
	retry(t, steady(), func(r *rig) {
		st := r.startAll()
		r.closed(refused)
		r.wantStreams("at once", 2)
		r.wantAttempt("not counted", "")
		r.closed(refused)
		r.wantStreams("once", 2)
		wait(latest)
		r.wantStreams("then the policy decides", 3)
		r.wantAttempt("counted", "1")
		r.closed(unsent)
		r.wantStreams("at once", 4)
		r.wantAttempt("as before", "1")
		r.refuse("14")
		wait(latest)
		r.wantAttempt("counted", "2")
		r.refuse("14")
		r.wantStatus("three attempts", st, cqrpc.CodeUnavailable, "")
	})
}

// retry_lb_fail: an attempt that finds no connection has failed, too.
func TestRetryWithoutStream(t *testing.T) {
	none := cqrpc.Status{Code: cqrpc.CodeUnavailable, Message: "no address"}
	manual := func(_ *Config, o *fakeOpener) { o.manual = true }
	retry(t, steady(), func(r *rig) {
		r.startAll()
		r.c.Fail(none, nil)
		r.want("it is asked for again")
		wait(latest)
		r.opener.bind(r.c)
		r.wantGiven("whole", true, "m")
		r.wantAttempt("counted", "1")
		finishOK(r)
		r.want("done", "all")
	}, manual)
	retry(t, steady(), func(r *rig) {
		st := r.startAll()
		r.c.Fail(none, nil)
		cause := errors.New("closed")
		r.c.Fail(cqrpc.Status{Code: cqrpc.CodeUnavailable, Message: "closed"}, cause)
		r.wantStatus("who fails a call that rests ends it", st, cqrpc.CodeUnavailable, "closed")
		if !errors.Is(r.c.Err(), cause) || r.opener.forgot != 0 {
			r.t.Errorf("error %v, forgot %d times", r.c.Err(), r.opener.forgot)
		}
		wait(time.Hour)
		if r.opener.opened != 1 {
			r.t.Errorf("opened %d times", r.opener.opened)
		}
	}, manual)
}

// Each attempt sends the time that is left.
func TestRetryTimeout(t *testing.T) {
	retry(t, steady(), func(r *rig) {
		r.startAll()
		for _, want := range []string{"10S", "7S"} {
			if got := fieldValue(r.stream().headers, "grpc-timeout"); got != want {
				r.t.Errorf("grpc-timeout %q, want %q", got, want)
			}
			r.refuse("14", "grpc-retry-pushback-ms", "3000")
			wait(3 * time.Second)
		}
	}, func(cfg *Config, _ *fakeOpener) { cfg.Deadline = time.Now().Add(10 * time.Second) })
}

// Filters see one call, and what was sent once.
func TestRetryIsOneCallToFilters(t *testing.T) {
	var ends []End
	filter := func(ctx context.Context, start *Start) (context.Context, error) {
		start.OnEnd = func(e End) { ends = append(ends, e) }
		return ctx, nil
	}
	retry(t, steady(), func(r *rig) {
		st := r.startAll()
		r.failAll()
		r.wantStatus("three attempts", st, cqrpc.CodeUnavailable, "")
		if len(ends) != 1 || ends[0].Sent != (Traffic{1, 1}) || ends[0].Status.Code != cqrpc.CodeUnavailable {
			r.t.Errorf("the filter was told %+v", ends)
		}
	}, func(cfg *Config, _ *fakeOpener) {
		cfg.Settings = NewSettings(Settings{Codec: textCodec{}, Filters: []Filter{filter}})
		cfg.Filter(t.Context(), nil)
	})
}

// Messages with BufferHint are not lost or doubled by attempts either.
func TestRetryOfBufferedMessages(t *testing.T) {
	retry(t, steady(), func(r *rig) {
		r.start("1", SendInitialMetadata(nil), SendValue("1").With(BufferHint))
		r.stream().buffers = true
		r.accept()
		r.start("2", SendValue("2").With(BufferHint))
		r.start("3", SendValue("3").With(BufferHint))
		r.want("buffered", "1", "2", "3")
		r.refuse("14")
		r.start("4", SendValue("4").With(BufferHint))
		wait(latest)
		r.want("the stream does not have it")
		for range 3 {
			r.accept()
		}
		r.wantGiven("in order", false, "1", "2", "3", "4")
		r.accept()
		r.want("sent", "4")
	})
}

func TestValidateRetryPolicy(t *testing.T) {
	if err := steady().Validate(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(p *RetryPolicy){
		"MaxAttempts":       func(p *RetryPolicy) { p.MaxAttempts = 1 },
		"InitialBackoff":    func(p *RetryPolicy) { p.InitialBackoff = 0 },
		"MaxBackoff":        func(p *RetryPolicy) { p.MaxBackoff = -1 },
		"BackoffMultiplier": func(p *RetryPolicy) { p.BackoffMultiplier = math.NaN() },
		"no Codes":          func(p *RetryPolicy) { p.Codes = nil },
		"OK":                func(p *RetryPolicy) { p.Codes = append(p.Codes, cqrpc.CodeOK) },
		"17":                func(p *RetryPolicy) { p.Codes = append(p.Codes, 17) },
	} {
		p := steady()
		spoil(p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
		retry(t, p, func(r *rig) {
			st := r.startAll()
			r.wantStatus("a call with such a policy", st, cqrpc.CodeInternal, name)
		})
	}
}

func TestRetryDelay(t *testing.T) {
	p := &RetryPolicy{InitialBackoff: time.Second, MaxBackoff: 5 * time.Second, BackoffMultiplier: 2}
	for _, tt := range []struct {
		n      int
		random float64
		want   time.Duration
	}{
		{1, 0.5, time.Second}, {2, 0.5, 2 * time.Second}, {3, 0.5, 4 * time.Second}, {4, 0.5, 5 * time.Second},
		{1, 0, 800 * time.Millisecond}, {1, 0.75, 1100 * time.Millisecond}, {4, 0, 4 * time.Second},
	} {
		if got := p.delay(tt.n, tt.random); got != tt.want {
			t.Errorf("delay(%d, %v) = %v, want %v", tt.n, tt.random, got, tt.want)
		}
	}
	p.MaxBackoff, p.BackoffMultiplier = math.MaxInt64, 1e300
	if got := p.delay(4, 0.9); got <= 0 {
		t.Errorf("the longest delay is %v", got)
	}
}

// Many goroutines send messages while attempts fail: the last stream has all of them, in order.
func TestConcurrentRetry(t *testing.T) {
	policy := &RetryPolicy{
		MaxAttempts: 5, InitialBackoff: 1, MaxBackoff: 1, BackoffMultiplier: 1,
		Codes: []cqrpc.Code{cqrpc.CodeUnavailable}, Buffer: -1,
	}
	refusal := &frame.Headers{End: true, Fields: []frame.Field{
		{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}, {Name: "grpc-status", Value: "14"},
	}}
	for range 50 {
		r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Retry = policy })
		const messages = 50
		var st cqrpc.Status
		r.start("init", SendInitialMetadata(nil))
		r.start("st", RecvStatus(&st, nil))
		sender := cq.New()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range messages {
				if err := r.c.StartBatchOn(sender, []Op{SendValue(strconv.Itoa(i)).With(BufferHint)}, i); err != nil {
					t.Error(err)
				}
				if ev := sender.Next(t.Context()); !ev.OK {
					t.Errorf("message %d: %v", i, ev.Err)
				}
			}
			if err := r.c.StartBatchOn(sender, []Op{SendClose()}, nil); err != nil {
				t.Error(err)
			}
		}()
		var lane cq.Lane
		for i := 0; ; i++ {
			s, view, n := r.opener.last()
			s.mu.Lock()
			s.buffers = true
			s.mu.Unlock()
			sent := s.accept()
			if sent.End {
				break
			}
			view.OnSent(sent, &lane)
			if i%20 == 19 && n < policy.MaxAttempts && sent.Headers { // else Bind may be on its way
				view.OnHeaders(refusal, &lane)
				view.OnClosed(nil, s.accept(), &lane)
				for now := n; now == n; _, _, now = r.opener.last() {
					runtime.Gosched()
				}
			}
			lane.Flush()
			runtime.Gosched()
		}
		<-done
		r.accept()
		r.response()
		r.trailers("grpc-status", "0")
		r.lane.Flush()
		for range 2 {
			r.q.Next(t.Context())
		}
		sender.Next(t.Context())
		sender.Shutdown()
		var want []string
		for i := range messages {
			want = append(want, wire(strconv.Itoa(i)))
		}
		if got := r.stream().messages; !slices.Equal(got, want) || st.Code != cqrpc.CodeOK {
			t.Fatalf("status %v, the last stream was given %q", st, got)
		}
	}
}

// last is the latest stream, what it reports to, and how many there were.
func (o *fakeOpener) last() (*fakeStream, *Attempt, int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.streams)
	return o.streams[n-1], o.views[n-1], n
}
