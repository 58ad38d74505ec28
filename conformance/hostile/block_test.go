package hostile

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/transport"
)

// TestHeaderBlocks: what can be done with header blocks, CONTINUATION and HPACK.
func TestHeaderBlocks(t *testing.T) {
	// continuations is a block without end, made of pieces.
	continuations := func(n int, piece []byte) func(*site, *attacker) {
		return func(_ *site, a *attacker) {
			_ = a.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: piece})
			a.times(n, func(int) { _ = a.WriteContinuation(1, false, piece) })
		}
	}
	block := func(b ...byte) func(*site, *attacker) {
		return func(_ *site, a *attacker) {
			_ = a.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndStream: true, EndHeaders: true, BlockFragment: b})
		}
	}
	const compression = http2.ErrCodeCompression
	// "a": "", never indexed and spelled out: 4 octets on the wire, 33 in the list.
	plain := []byte(strings.Repeat("\x10\x01a\x00", 4096))
	commas := strings.Repeat(",", 3900)
	// A value of 16 KiB of five-bit codes, which grow by 8/5.
	huffman := append([]byte("\x10\x01a\xff\xf8\x7e"), strings.Repeat("\x00", 16377)...)
	run(t, []attack{
		{name: "CONTINUATION flood, CVE-2024-27316, CVE-2023-45288", want: goAway(calm, "header block"),
			play: continuations(700, plain)},
		{name: "CONTINUATION flood, Huffman", want: goAway(calm, "header block"), play: continuations(700, huffman)},
		{name: "CONTINUATION flood, empty", want: goAway(calm, "CONTINUATION"), play: continuations(100_000, nil)},
		{name: "CONTINUATION flood, one octet each", want: goAway(calm, "CONTINUATION"),
			play: continuations(100_000, []byte{0x82})},
		{name: "header block unfinished", cfg: transport.Config{HeaderTimeout: 100e6}, want: goAway(calm, "not complete"),
			play: func(_ *site, a *attacker) {
				_ = a.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			}},
		{name: "HPACK bomb", want: reset(calm), play: func(_ *site, a *attacker) {
			// An entry of 4 KiB, then references to it: 48 MiB of list in 12 KiB.
			b := append([]byte("\x40\x01a\x7f\xa1\x1e"), strings.Repeat("v", 4000)...)
			a.frag(1, append(b, strings.Repeat("\xbe", 12000)...))
		}},
		{name: "values joined by commas", want: status("13"), play: func(x *site, a *attacker) {
			// 3900 values in one entry, then references to it: 16 000 of metadata in 4 octets a request.
			a.streams(500, func(id uint32) {
				a.request(id, false, ignore.Name, "grpc-timeout", fmt.Sprint(id, "S"),
					"x-bin", commas, "x-bin", commas, "x-bin", commas, "x-bin", commas)
			})
		}},
		{name: "header list of 100 KiB", want: reset(calm), play: func(_ *site, a *attacker) {
			a.enc.SetMaxDynamicTableSizeLimit(0)
			a.frag(1, a.fields("x", strings.Repeat("v", 20<<10), "y", strings.Repeat("v", 20<<10)))
		}},
		{name: "header list beyond what is worth decoding", want: goAway(calm, "header block"),
			play: func(_ *site, a *attacker) { a.frag(1, []byte(strings.Repeat("\x10\x01a\x00", 30_000))) }},
		{name: "HPACK string of 4 GiB, CVE-2023-33953", want: goAway(calm, "string longer"),
			play: block(0x10, 0x7f, 0x80, 0xff, 0xff, 0xff, 0x0f)},
		{name: "HPACK integer without end, CVE-2023-33953", want: goAway(compression, ""),
			play: block([]byte("\xff" + strings.Repeat("\x80", 200) + "\x00")...)},
		{name: "HPACK index out of the table, CVE-2024-7246", want: goAway(compression, "index"), play: block(0xff, 0x7f)},
		{name: "HPACK index 0", want: goAway(compression, ""), play: block(0x80)},
		{name: "HPACK table larger than allowed", want: goAway(compression, ""), play: block(0x3f, 0xe2, 0x7f)},
		{name: "HPACK Huffman padding of zeros", want: goAway(compression, ""), play: block(0x10, 0x81, 0x00, 0x00)},
		{name: "HPACK table sizes and nothing else", want: reset(http2.ErrCodeProtocol),
			play: block([]byte(strings.Repeat("\x20", 16000))...)},
		{name: "fields of empty name and value, CVE-2019-9516", want: reset(http2.ErrCodeProtocol),
			play: func(_ *site, a *attacker) { a.frag(1, []byte(strings.Repeat("\x10\x00\x00", 400))) }},
	})
}

// frag sends b as one block in as many frames as it takes.
func (a *attacker) frag(id uint32, b []byte) {
	const most = 16384
	n := min(len(b), most)
	_ = a.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, EndStream: true, EndHeaders: n == len(b), BlockFragment: b[:n],
	})
	for b = b[n:]; len(b) > 0; b = b[n:] {
		n = min(len(b), most)
		_ = a.WriteContinuation(id, n == len(b), b[:n])
	}
}
