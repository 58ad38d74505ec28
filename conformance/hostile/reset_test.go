package hostile

import (
	"testing"

	"golang.org/x/net/http2"
)

const calm = http2.ErrCodeEnhanceYourCalm

// TestResets: streams that are opened only to be reset, by either side.
func TestResets(t *testing.T) {
	run(t, []attack{
		{name: "rapid reset, CVE-2023-44487", want: goAway(calm, "more than 1000"), play: func(_ *site, a *attacker) {
			a.streams(3000, func(id uint32) {
				a.request(id, false, wait.Name)
				a.message(id, true, "x")
				_ = a.WriteRSTStream(id, http2.ErrCodeCancel)
			})
		}},
		{name: "rapid reset, headers only, GHSA-hrxh-6v49-42gf", want: goAway(calm, "more than 1000"),
			play: func(_ *site, a *attacker) {
				a.streams(3000, func(id uint32) {
					a.request(id, false, echo.Name)
					_ = a.WriteRSTStream(id, http2.ErrCodeCancel)
				})
			}},
		{name: "rapid reset, handlers that stay", want: goAway(calm, ""), play: func(_ *site, a *attacker) {
			a.streams(20000, func(id uint32) {
				a.request(id, false, stubborn.Name)
				a.message(id, true, "x")
				_ = a.WriteRSTStream(id, http2.ErrCodeCancel)
			})
		}},
		{name: "made you reset by WINDOW_UPDATE of 0, CVE-2025-8671", want: goAway(calm, "reset"),
			play: madeYouReset(func(a *attacker, id uint32) { _ = a.WriteWindowUpdate(id, 0) })},
		{name: "made you reset by overflow", want: goAway(calm, "reset"),
			play: madeYouReset(func(a *attacker, id uint32) { _ = a.WriteWindowUpdate(id, 1<<31-1) })},
		{name: "made you reset by DATA after the end", want: goAway(calm, "reset"),
			play: madeYouReset(func(a *attacker, id uint32) { _ = a.WriteData(id, true, []byte("x")) })},
		{name: "made you reset by HEADERS after the end", want: goAway(calm, "reset"),
			play: madeYouReset(func(a *attacker, id uint32) { a.headers(id, true, "x", "y") })},
		{name: "made you reset by a short PRIORITY", want: goAway(calm, "reset"),
			play: madeYouReset(func(a *attacker, id uint32) { _ = a.WriteRawFrame(http2.FramePriority, 0, id, make([]byte, 4)) })},
		{name: "made you reset by PRIORITY on itself", want: goAway(calm, "reset"),
			play: madeYouReset(func(a *attacker, id uint32) { _ = a.WritePriority(id, http2.PriorityParam{StreamDep: id}) })},
		{name: "reset flood, CVE-2019-9514", want: goAway(calm, "reset"), play: func(_ *site, a *attacker) {
			a.streams(3000, func(id uint32) { a.headers(id, false, ":method", "POST") })
		}},
		{name: "reset flood, unread", deaf: true, want: hungUp, play: func(_ *site, a *attacker) {
			a.streams(3000, func(id uint32) { a.headers(id, false, ":method", "POST") })
		}},
		// A client may have opened many before it knew of the limit.
		{name: "streams past the limit", want: goAway(calm, "refused"), play: func(x *site, a *attacker) {
			a.streams(4100, func(id uint32) { a.request(id, false, wait.Name) })
			a.wantReset(x.t, 4*maxStreams+1, http2.ErrCodeRefusedStream)
			a.streams(20000, func(id uint32) { a.request(id+8200, false, wait.Name) })
		}},
	})
}

// madeYouReset is a good request for a stubborn handler and then a frame for
// which the server must reset it, so that the stream is gone and the work is not.
func madeYouReset(provoke func(a *attacker, id uint32)) func(*site, *attacker) {
	return func(_ *site, a *attacker) {
		a.streams(3000, func(id uint32) {
			a.request(id, false, stubborn.Name)
			a.message(id, true, "x")
			provoke(a, id)
		})
	}
}
