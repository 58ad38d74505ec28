package hostile

import (
	"testing"

	"golang.org/x/net/http2"
)

// TestFlowControl: windows that are kept shut, opened by slivers, or overrun.
func TestFlowControl(t *testing.T) {
	const flow = http2.ErrCodeFlowControl
	// calls asks every handler it may for 16 MiB.
	calls := func(a *attacker) {
		a.streams(maxStreams, func(id uint32) {
			a.request(id, false, pour.Name)
			a.message(id, true, "")
		})
	}
	run(t, []attack{
		// What waits is one message and 64 KiB for each stream, whatever was asked for.
		{name: "slow read: windows of 0", heap: 16 << 20, mute: true, want: alive, play: func(_ *site, a *attacker) {
			a.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			calls(a)
		}},
		{name: "no read: windows wide open, TCP's shut, CVE-2019-9517", heap: 32 << 20, mute: true, deaf: true, want: alive,
			play: func(_ *site, a *attacker) {
				a.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
				_ = a.WriteWindowUpdate(0, 1<<31-1-65535)
				calls(a)
			}},
		{name: "data dribble, CVE-2019-9511", heap: 16 << 20, mute: true, want: alive, play: func(_ *site, a *attacker) {
			a.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			calls(a)
			for range 500 {
				a.streams(maxStreams, func(id uint32) { _ = a.WriteWindowUpdate(id, 1) })
			}
		}},
		{name: "data dribble over the connection's window", heap: 16 << 20, mute: true, want: alive,
			play: func(_ *site, a *attacker) {
				a.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
				calls(a)
				a.times(2000, func(int) {
					_ = a.WriteWindowUpdate(0, 1)
					a.flush() // so that each is a write of its own
				})
			}},
		{name: "window of 0 and back", heap: 16 << 20, want: goAway(calm, "SETTINGS"), play: func(_ *site, a *attacker) {
			calls(a)
			a.times(10_000, func(i int) {
				_ = a.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(i % 2)})
			})
		}},
		{name: "stream window past 2^31-1", want: reset(flow), play: func(_ *site, a *attacker) {
			a.request(1, false, count.Name)
			_ = a.WriteWindowUpdate(1, 1<<31-1)
		}},
		{name: "connection window past 2^31-1", want: goAway(flow, ""), play: func(_ *site, a *attacker) {
			_ = a.WriteWindowUpdate(0, 1<<31-1)
		}},
		{name: "initial window past 2^31-1", want: goAway(flow, ""), play: func(_ *site, a *attacker) {
			_ = a.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		}},
		{name: "initial window that takes a stream's past 2^31-1", want: goAway(flow, ""), play: func(_ *site, a *attacker) {
			a.request(1, false, count.Name)
			_ = a.WriteWindowUpdate(1, 1<<30)
			_ = a.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
		}},
		{name: "MAX_FRAME_SIZE of 0, CVE-2026-33814", want: goAway(http2.ErrCodeProtocol, "MAX_FRAME_SIZE"),
			play: func(_ *site, a *attacker) {
				_ = a.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 0})
			}},
		{name: "DATA past the stream's window", want: reset(flow), play: func(x *site, a *attacker) {
			alive(x.t, a) // the connection's window is larger now
			a.request(1, false, ignore.Name)
			a.times(6, func(int) { _ = a.WriteData(1, false, make([]byte, 16384)) })
		}},
		{name: "padding past the stream's window", want: alive, play: func(x *site, a *attacker) {
			alive(x.t, a)
			a.request(1, false, count.Name)
			a.times(2000, func(int) { _ = a.WriteDataPadded(1, false, []byte("\x00\x00\x00\x00\x00"), make([]byte, 255)) })
		}},
		{name: "a message in DATA of one octet, CVE-2026-84304", want: alive, play: func(_ *site, a *attacker) {
			a.request(1, false, count.Name)
			_ = a.WriteData(1, false, []byte{0, 0, 0x40, 0, 0})
			a.times(60_000, func(int) { _ = a.WriteData(1, false, []byte{0}) })
		}},
		{name: "the same on many streams", heap: 16 << 20, want: alive, play: func(_ *site, a *attacker) {
			a.streams(maxStreams, func(id uint32) {
				a.request(id, false, count.Name)
				_ = a.WriteData(id, false, []byte{0, 0, 0x40, 0, 0})
			})
			for range 600 {
				a.streams(maxStreams, func(id uint32) { _ = a.WriteData(id, false, []byte{0}) })
			}
		}},
	})
}
