package call

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc"
)

// Somebody who waits for a message does not keep a page from being read, nor is credit given twice.
func TestPageGivesItsCreditBack(t *testing.T) {
	r := newRig(t, nil)
	var st cqrpc.Status
	var v string
	r.start("all",
		SendInitialMetadata(nil), SendClose(), RecvInitialMetadata(nil), RecvValue(&v, nil), RecvStatus(&st, nil))
	r.accept()
	r.headers(false, ":status", "503")
	r.want("what comes is no answer, so that the call may be sent again")
	for n, text := range []string{"a", "b", "c"} {
		r.data(text, false)
		if got := r.stream().consumed; got != n+1 {
			t.Errorf("credit for %d bytes, want %d", got, n+1)
		}
	}
	r.data("", true)
	r.want("the page has ended", "all")
	if r.c.HasInitialMetadata() {
		t.Error("the headers of a page are not those of a response")
	}
}

// A page that does not end is told by the status of what ends the call.
func TestPageThatDoesNotEnd(t *testing.T) {
	const why = ` while waiting for the end of a response: UNAVAILABLE: Received http2 header with status: 503: "busy"`
	for _, tt := range []struct {
		name string
		end  func(r *rig, cancel func())
		code cqrpc.Code
		want string
	}{
		{"deadline", func(*rig, func()) { time.Sleep(time.Minute) }, // fake clock
			cqrpc.CodeDeadlineExceeded, "Deadline Exceeded" + why},
		{"context", func(_ *rig, cancel func()) { cancel() }, cqrpc.CodeCanceled, "context canceled" + why},
		{"cancel", func(r *rig, _ func()) { r.c.Cancel() }, cqrpc.CodeCanceled, "CANCELLED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Deadline = time.Now().Add(time.Minute) })
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r.c.Watch(ctx)
				var st cqrpc.Status
				r.start("all", SendInitialMetadata(nil), SendClose(), RecvStatus(&st, nil))
				r.accept()
				r.headers(false, ":status", "503")
				r.data("busy", false)
				tt.end(r, cancel)
				synctest.Wait()
				r.want("the call is over", "all")
				if st.Code != tt.code || st.Message != tt.want {
					t.Errorf("got %v, want %v: %s", st, tt.code, tt.want)
				}
				r.data("late", true)
			})
		})
	}
}
