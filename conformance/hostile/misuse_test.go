package hostile

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/transport"
)

// TestMisuse: streams and headers that are not what they should be.
func TestMisuse(t *testing.T) {
	const protocol = http2.ErrCodeProtocol
	// fields is one request of exactly these.
	fields := func(kv ...string) func(*site, *attacker) {
		return func(_ *site, a *attacker) { a.headers(1, true, kv...) }
	}
	good := []string{":method", "POST", ":scheme", "http", ":path", echo.Name, "te", "trailers",
		"content-type", "application/grpc+bytes"}
	with := func(kv ...string) func(*site, *attacker) {
		return fields(append(append(append([]string(nil), good[:6]...), kv...), good[6:]...)...)
	}
	run(t, []attack{
		{name: "even stream", want: goAway(protocol, ""), play: func(_ *site, a *attacker) { a.request(2, true, echo.Name) }},
		{name: "stream 0", want: goAway(protocol, "stream 0"), play: func(_ *site, a *attacker) { a.request(0, true, echo.Name) }},
		{name: "stream used again", want: goAway(http2.ErrCodeStreamClosed, ""), play: func(_ *site, a *attacker) {
			a.request(1, true, echo.Name)
			_ = a.WriteRSTStream(1, http2.ErrCodeCancel)
			a.request(1, true, echo.Name)
		}},
		{name: "stream below the last", want: goAway(protocol, ""), play: func(_ *site, a *attacker) {
			a.request(5, true, echo.Name)
			a.request(3, true, echo.Name)
		}},
		{name: "PUSH_PROMISE", want: goAway(protocol, "PUSH_PROMISE"), play: func(_ *site, a *attacker) {
			_ = a.WriteRawFrame(http2.FramePushPromise, 4, 1, []byte{0, 0, 0, 2})
		}},
		{name: "DATA on an idle stream", want: goAway(protocol, "idle"), play: func(_ *site, a *attacker) {
			_ = a.WriteData(1, true, []byte("x"))
		}},
		{name: "a frame larger than allowed", want: goAway(http2.ErrCodeFrameSize, "limit is 16384"),
			play: func(_ *site, a *attacker) { _ = a.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 1<<20)) }},
		{name: "a frame of unknown type larger than allowed", want: goAway(http2.ErrCodeFrameSize, ""),
			play: func(_ *site, a *attacker) { _ = a.WriteRawFrame(0x99, 0, 1, make([]byte, 1<<20)) }},
		{name: "unknown types, CVE-2026-27141", want: alive, play: func(_ *site, a *attacker) {
			a.times(6, func(i int) { _ = a.WriteRawFrame(http2.FrameType(0x0a+i), 0xff, uint32(i), []byte("?")) })
		}},

		{name: "path without slash, CVE-2026-33186", want: status("12"),
			play: fields(append([]string{":method", "POST", ":scheme", "http", ":path", echo.Name[1:], ":authority", "a"}, good[6:]...)...)},
		{name: "no authority, CVE-2026-84445", want: answered(":status", "400"), play: fields(good...)},
		{name: "two hosts", want: answered(":status", "400"), play: fields(append(good, "host", "a", "host", "b")...)},
		{name: "binary metadata that is none, CVE-2023-32732", want: status("13"), play: with(":authority", "a", "k-bin", "%")},
		{name: "timeout of 11 digits", want: status("13"), play: with(":authority", "a", "grpc-timeout", "12345678901S")},
		{name: "TE past 8 KiB, CVE-2023-1428", want: reset(protocol),
			play: with(":authority", "a", "x", strings.Repeat("v", 9000), "te", "none")},
		{name: "upper case", want: reset(protocol), play: with(":authority", "a", "X", "y")},
		{name: "transfer-encoding", want: reset(protocol), play: with(":authority", "a", "transfer-encoding", "chunked")},
		{name: "a line feed in a value", want: reset(protocol), play: with(":authority", "a", "x", "a\nb: c")},
	})
}

// TestStrangers: who opens connections and speaks no HTTP/2, or nothing.
func TestStrangers(t *testing.T) {
	say := func(text string) func(*site, *attacker) {
		return func(_ *site, a *attacker) { a.raw(text) }
	}
	const protocol = http2.ErrCodeProtocol
	brief := transport.Config{HandshakeTimeout: 100 * time.Millisecond}
	run(t, []attack{
		{name: "HTTP/1.1", mute: true, want: goAway(protocol, "HTTP/1 request line"),
			play: say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")},
		{name: "TLS", mute: true, want: goAway(protocol, "TLS handshake (is this a plaintext port?)"),
			play: say("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
		{name: "noise", mute: true, want: goAway(protocol, "preface"), play: say(strings.Repeat("\x00\xff", 1000))},
		{name: "silence", cfg: brief, mute: true, want: hungUp, play: say("")},
		{name: "slow preface", cfg: brief, mute: true, want: hungUp, play: say(http2.ClientPreface[:20])},
		{name: "preface without SETTINGS", cfg: brief, mute: true, want: hungUp, play: say(http2.ClientPreface)},
		{name: "half-open connections", cfg: brief, mute: true, want: hungUp, play: func(x *site, a *attacker) {
			var all []*attacker
			for range 300 {
				b := x.attack()
				b.raw(http2.ClientPreface[:1])
				b.flush()
				b.read()
				all = append(all, b)
			}
			for _, b := range all {
				b.wantEnd(x.t)
				b.close()
			}
		}},
		{name: "connection churn", want: alive, play: func(x *site, _ *attacker) {
			for i := range 500 {
				b := x.attack()
				b.greet()
				if i%2 == 0 {
					b.request(1, false, wait.Name)
				}
				b.flush()
				_ = b.nc.SetLinger(i % 3 / 2 * -1) // some end by RST
				b.close()
			}
		}},
		{name: "many idle connections", heap: 32 << 20, want: alive, play: func(x *site, _ *attacker) {
			for range 300 {
				b := x.attack()
				b.greet()
				b.read()
				alive(x.t, b)
				x.t.Cleanup(b.close)
			}
		}},
	})
}
