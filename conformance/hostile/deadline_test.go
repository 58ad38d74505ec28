package hostile

import (
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/transport"
)

// TestDeadlines: time limits of centuries.
func TestDeadlines(t *testing.T) {
	lenient := transport.Config{Enforcement: transport.Enforcement{MaxStrikes: -1}}
	run(t, []attack{
		// What ends calls at their deadlines is used by one call after the other.
		{name: "one that never comes, and then others", play: func(_ *site, a *attacker) {
			a.streams(maxStreams/2, func(id uint32) {
				a.request(id, false, wait.Name, "grpc-timeout", "99999999H")
				a.message(id, true, "x")
			})
			a.streams(maxStreams/2, func(id uint32) { _ = a.WriteRSTStream(id, http2.ErrCodeCancel) })
			a.request(maxStreams+1, false, wait.Name, "grpc-timeout", "10m")
			a.message(maxStreams+1, true, "x")
		}, want: func(t *testing.T, a *attacker) {
			const status = "grpc-status"
			got := func() string { return a.got.blocks[maxStreams+1][status] }
			if !a.got.until(func() bool { return got() != "" }) || got() != "4" {
				t.Errorf("%v; want DEADLINE_EXCEEDED for the last", &a.got)
			}
		}},
		{name: "of calls that nobody has registered, and that have ended", cfg: lenient, want: alive,
			play: func(x *site, a *attacker) {
				a.streams(60_000, func(id uint32) {
					a.request(id, true, other.Name, "grpc-timeout", "99999999M")
					if id%maxStreams == maxStreams-1 {
						alive(x.t, a) // so that no stream is refused
						a.got.forget()
					}
				})
			}},
	})
}
