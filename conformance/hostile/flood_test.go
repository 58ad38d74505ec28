package hostile

import (
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/transport"
)

// TestFloods: frames that must be answered, or looked at, and bring nothing.
func TestFloods(t *testing.T) {
	lenient := transport.Config{Enforcement: transport.Enforcement{MaxStrikes: -1}}
	ping := func(_ *site, a *attacker) {
		a.times(100_000, func(int) { _ = a.WritePing(false, [8]byte{}) })
	}
	bigSettings := make([]http2.Setting, 2400)
	for i := range bigSettings {
		bigSettings[i] = http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(1 + i%2)}
	}
	run(t, []attack{
		{name: "ping flood, CVE-2019-9512", want: goAway(calm, "too_many_pings"), play: ping},
		{name: "ping flood, unread", deaf: true, want: hungUp, play: ping},
		// Answers that are read cost what they cost the peer; the policy of gRFC A8 is what ends it.
		{name: "ping flood, unread, no policy", cfg: lenient, deaf: true, want: hungUp, play: func(_ *site, a *attacker) {
			a.times(5_000_000, func(int) { _ = a.WritePing(false, [8]byte{}) })
		}},
		{name: "settings flood, CVE-2019-9515", want: goAway(calm, "SETTINGS"), play: func(_ *site, a *attacker) {
			a.times(200_000, func(int) { _ = a.WriteSettings() })
		}},
		{name: "settings flood, unread", deaf: true, want: hungUp, play: func(_ *site, a *attacker) {
			a.times(200_000, func(int) { _ = a.WriteSettings() })
		}},
		{name: "big settings with many streams, CVE-2020-11080", want: goAway(calm, "SETTINGS"),
			play: func(_ *site, a *attacker) {
				a.streams(maxStreams, func(id uint32) { a.request(id, false, count.Name) })
				a.times(1000, func(int) { _ = a.WriteSettings(bigSettings...) })
			}},
		{name: "priority churn, CVE-2019-9513", want: goAway(calm, "without effect"), play: func(_ *site, a *attacker) {
			a.streams(100_000, func(id uint32) { _ = a.WritePriority(id, http2.PriorityParam{StreamDep: id + 2, Weight: 9}) })
		}},
		{name: "unknown frames", want: goAway(calm, "without effect"), play: func(_ *site, a *attacker) {
			a.times(100_000, func(i int) { _ = a.WriteRawFrame(http2.FrameType(0x0a+i%6), 0xff, 0, []byte("x")) })
		}},
		{name: "empty DATA, CVE-2019-9518", want: goAway(calm, "empty DATA"), play: func(_ *site, a *attacker) {
			a.request(1, false, count.Name)
			a.times(100_000, func(int) { _ = a.WriteData(1, false, nil) })
		}},
		{name: "padding without DATA", want: goAway(calm, "empty DATA"), play: func(_ *site, a *attacker) {
			a.request(1, false, count.Name)
			a.times(100_000, func(int) { _ = a.WriteDataPadded(1, false, nil, []byte{0}) })
		}},
		{name: "empty headers, then the next request", want: goAway(calm, "reset"), play: func(_ *site, a *attacker) {
			a.streams(3000, func(id uint32) { _ = a.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true}) })
		}},
		{name: "WINDOW_UPDATEs for what has ended", want: goAway(calm, "closed streams"), play: func(_ *site, a *attacker) {
			a.request(1, true, echo.Name)
			_ = a.WriteRSTStream(1, http2.ErrCodeCancel)
			a.times(100_000, func(int) { _ = a.WriteWindowUpdate(1, 1) })
		}},
		{name: "GOAWAY flood", want: goAway(calm, "GOAWAY"), play: func(_ *site, a *attacker) {
			a.times(100_000, func(int) { _ = a.WriteGoAway(0, 0, nil) })
		}},
		{name: "PING answers that nobody asked for", want: goAway(calm, "without effect"), play: func(_ *site, a *attacker) {
			a.times(100_000, func(int) { _ = a.WritePing(true, [8]byte{1}) })
		}},
		{name: "WINDOW_UPDATEs of 1 for the connection", want: alive, play: func(_ *site, a *attacker) {
			a.times(200_000, func(int) { _ = a.WriteWindowUpdate(0, 1) })
		}},
	})
}
