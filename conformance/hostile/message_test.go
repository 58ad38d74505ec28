package hostile

import (
	"bytes"
	"compress/gzip"
	"testing"

	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// TestMessages: gRPC messages that claim, or grow to, more than they may.
func TestMessages(t *testing.T) {
	data := func(fields []string, payloads ...[]byte) func(*site, *attacker) {
		return func(_ *site, a *attacker) {
			a.request(1, false, echo.Name, fields...)
			p := bytes.Join(payloads, nil)
			for ; len(p) > 16384; p = p[16384:] {
				_ = a.WriteData(1, false, p[:16384])
			}
			_ = a.WriteData(1, true, p)
		}
	}
	gz := []string{"grpc-encoding", "gzip"}
	bomb := squeeze(32 << 20)
	run(t, []attack{
		{name: "length prefix of 0xFFFFFFFF", want: status("8"), play: func(_ *site, a *attacker) {
			a.request(1, false, echo.Name)
			_ = a.WriteData(1, false, []byte{0, 0xff, 0xff, 0xff, 0xff})
		}},
		{name: "length prefix of 0xFFFFFFFF on many streams", want: status("8"), play: func(_ *site, a *attacker) {
			a.streams(maxStreams, func(id uint32) {
				a.request(id, false, count.Name)
				_ = a.WriteData(id, false, []byte{0, 0xff, 0xff, 0xff, 0xff})
			})
		}},
		// Each claims what it may; memory follows what arrives.
		{name: "claims of 4 MiB on many streams", want: alive, play: func(_ *site, a *attacker) {
			a.streams(maxStreams, func(id uint32) {
				a.request(id, false, count.Name)
				_ = a.WriteData(id, false, []byte{0, 0, 0x40, 0, 0, 1})
			})
		}},
		// What has arrived of them is more than there is for all: stream 1 comes last. PINGs are how it is paced,
		// and not the attack: whether the server sends on a stream between two of them is up to its handlers.
		{name: "messages that are begun on many streams", want: status("8"), heap: 32 << 20,
			cfg:  transport.Config{Enforcement: transport.Enforcement{MaxStrikes: -1}},
			opts: []server.Option{server.WithMaxUnread(4 << 20)}, play: func(x *site, a *attacker) {
				more := make([]byte, 16384)
				begin := append([]byte{0, 0, 0x40, 0, 0}, more[5:]...)
				for id := uint32(1); id < 2*maxStreams; id += 2 {
					a.request(id, false, count.Name)
				}
				for i := range uint32(maxStreams) {
					id := 2*(maxStreams-i) - 1
					_ = a.WriteData(id, false, begin)
					_ = a.WriteData(id, false, more)
					_ = a.WriteData(id, false, more)
					alive(x.t, a) // the connection's window is open again
				}
			}},
		{name: "gzip bomb", want: status("8"), play: data(gz, prefixed(1, string(bomb)))},
		{name: "gzip that is none", want: status("13"), play: data(gz, prefixed(1, "not at all"))},
		{name: "flag of 2", want: status("13"), play: data(nil, prefixed(2, "x"))},
		{name: "compressed without encoding", want: status("13"), play: data(nil, prefixed(1, "x"))},
		{name: "unknown encoding", want: status("12"), play: data([]string{"grpc-encoding", "lzma"}, prefixed(1, "x"))},
		{name: "a second message where there is one", want: status("12"), play: data(nil, prefixed(0, "x"), prefixed(0, "x"))},
		{name: "the end inside a message", want: status("13"), play: func(_ *site, a *attacker) {
			a.request(1, false, echo.Name)
			_ = a.WriteData(1, true, []byte{0, 0, 0, 0, 9, 1})
		}},
		{name: "empty messages without end", want: alive, play: func(_ *site, a *attacker) {
			a.request(1, false, count.Name)
			a.times(13_000, func(int) { a.message(1, false, "") })
		}},
		// A body that stops coming holds what it holds until its deadline or the client's end.
		{name: "slow body", want: alive, play: func(_ *site, a *attacker) {
			a.streams(maxStreams, func(id uint32) {
				a.request(id, false, echo.Name)
				_ = a.WriteData(id, false, prefixed(0, "abc")[:6])
			})
		}},
	})
}

// squeeze is n zeros, compressed.
func squeeze(n int) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	for range n >> 20 {
		_, _ = w.Write(make([]byte, 1<<20))
	}
	_ = w.Close()
	return b.Bytes()
}
