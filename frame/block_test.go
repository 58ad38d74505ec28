package frame

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// encodeBlock encodes name, value, ... with a fresh HPACK context.
func encodeBlock(kv ...string) string {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for i := 0; i < len(kv); i += 2 {
		_ = enc.WriteField(Field{Name: kv[i], Value: kv[i+1]})
	}
	return b.String()
}

// blockFrames splits a block into a HEADERS frame and CONTINUATION frames of
// at most size octets.
func blockFrames(id uint32, block string, size int) string {
	var out strings.Builder
	t := http2.FrameHeaders
	for first := true; first || block != ""; first = false {
		n := min(size, len(block))
		var flags http2.Flags
		if n == len(block) {
			flags = http2.FlagHeadersEndHeaders
		}
		out.WriteString(rawFrame(t, flags, id, block[:n]))
		t, block = http2.FrameContinuation, block[n:]
	}
	return out.String()
}

// readBlock reads the one block of in.
func readBlock(t *testing.T, in string, cfg ReaderConfig) *Headers {
	t.Helper()
	r := NewReader(strings.NewReader(in), cfg)
	f, err := r.Next()
	if err != nil {
		t.Fatalf("reading the block: %v", err)
	}
	return f.Headers
}

func TestBlockMalformedFields(t *testing.T) {
	tests := []struct {
		name   string
		fields []string
		want   string // in the error; "" for none
	}{
		{"plain", []string{":method", "POST", "a", "b", "a", "c"}, ""},
		{"all token characters", []string{"!#$%&'*+-.^_`|~09az", ""}, ""},
		{"tab and high octets in a value", []string{"a", "x\ty \xff"}, ""},
		{"spaces around a value", []string{"grpc-message", " x "}, ""},
		{"upper case", []string{"Grpc-Status", "0"}, `invalid header field name "Grpc-Status"`},
		{"empty name", []string{"", "x"}, `invalid header field name ""`},
		{"space in name", []string{"a b", "x"}, `"a b"`},
		{"NUL in name", []string{"a\x00", "x"}, `"a\x00"`},
		{"high octet in name", []string{"\xc3\xa4", "x"}, "invalid header field name"},
		{"colon in name", []string{"a:", "x"}, `"a:"`},
		{"long name is cut", []string{strings.Repeat("A", 500), "x"}, strings.Repeat("A", maxQuoted) + `"...`},
		{"NUL in value", []string{"a", "sec\x00ret"}, `header field "a" has an invalid value`},
		{"CR in value", []string{"a", "x\r"}, "invalid value"},
		{"LF in value", []string{"a", "x\ny"}, "invalid value"},
		{"LF in a pseudo-header value", []string{":path", "/\n"}, `":path" has an invalid value`},
		{"pseudo after regular", []string{"a", "b", ":path", "/"}, ":path after a regular field"},
		{"unknown pseudo", []string{":version", "2"}, `unknown pseudo-header field ":version"`},
		{"extended connect", []string{":protocol", "websocket"}, `":protocol"`},
		{"lone colon", []string{":", ""}, `":"`},
		{"duplicate pseudo", []string{":method", "POST", ":method", "POST"}, "duplicate pseudo-header field :method"},
		{"first error counts", []string{"A", "", "B", ""}, `"A"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fields := slices.Concat(test.fields, []string{"last", "one"})
			h := readBlock(t, blockFrames(1, encodeBlock(fields...), 16384), ReaderConfig{})
			checkText(t, h.Err, test.want)
			if got := h.Value("last"); got != "one" {
				t.Error("the block was not decoded to its end")
			}
			var se *StreamError
			if h.Err == nil {
				return
			}
			if !errors.As(h.Err, &se) || se.Code != ProtocolError || se.StreamID != 1 {
				t.Errorf("error %v, want PROTOCOL_ERROR of stream 1", h.Err)
			}
			if strings.Contains(h.Err.Error(), "sec") {
				t.Errorf("error %q quotes a value", h.Err)
			}
		})
	}
}

func TestBlockListLimit(t *testing.T) {
	// One field of exactly limit octets: name, value and 32.
	const limit = 1000
	exact := encodeBlock("k", strings.Repeat("v", limit-33))
	if h := readBlock(t, blockFrames(1, exact, 16384), ReaderConfig{MaxHeaderList: limit}); h.Err != nil {
		t.Errorf("a list of the limit: %v", h.Err)
	}
	over := encodeBlock("k", strings.Repeat("v", limit-32))
	h := readBlock(t, blockFrames(1, over, 16384), ReaderConfig{MaxHeaderList: limit})
	checkText(t, h.Err, "received metadata size exceeds limit: header list larger than 1000 octets")
	var se *StreamError
	if !errors.As(h.Err, &se) || se.Code != EnhanceYourCalm {
		t.Errorf("error %v, want ENHANCE_YOUR_CALM", h.Err)
	}
	if len(h.Fields) != 0 {
		t.Errorf("%d fields stored beyond the limit", len(h.Fields))
	}
}

// A block over the limit must leave HPACK in step: fields indexed in its
// oversized part are referred to by the next block.
func TestBlockOverLimitKeepsStep(t *testing.T) {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	write := func(name, value string) { _ = enc.WriteField(Field{Name: name, Value: value}) }
	write("big", strings.Repeat("x", 1500))
	write("late", "indexed beyond the limit")
	first := b.String()
	b.Reset()
	write("late", "indexed beyond the limit")
	if b.Len() != 1 {
		t.Fatalf("second block has %d octets, want one index", b.Len())
	}
	in := blockFrames(1, first, 16384) + blockFrames(3, b.String(), 16384)
	r := NewReader(strings.NewReader(in), ReaderConfig{MaxHeaderList: 1000})
	f, err := r.Next()
	if err != nil || f.Headers.Err == nil {
		t.Fatalf("first block: %v, %v", f.Headers, err)
	}
	f, err = r.Next()
	if err != nil || f.Headers.Err != nil || f.Headers.Value("late") != "indexed beyond the limit" {
		t.Errorf("second block: %+v, %v", f.Headers, err)
	}
}

func TestBlockEncodedLimit(t *testing.T) {
	cfg := ReaderConfig{MaxHeaderList: 100, MaxHeaderBlock: 2000}
	h := readBlock(t, blockFrames(1, strings.Repeat(get, 2000), 16384), cfg)
	checkText(t, h.Err, "duplicate")

	for _, size := range []int{16384, 500} { // found on HEADERS, on CONTINUATION
		r := NewReader(strings.NewReader(blockFrames(1, strings.Repeat(get, 2001), size)), cfg)
		_, err := r.Next()
		checkConnError(t, r, err, EnhanceYourCalm)
		checkText(t, err, "more than 2000 encoded octets")
	}
}

func TestBlockStringLimit(t *testing.T) {
	cfg := ReaderConfig{MaxHeaderList: 100, MaxHeaderBlock: 2000}
	// Literal with a value claimed to be of 1 MiB: an error before it comes.
	in := rawFrame(1, http2.FlagHeadersEndHeaders, 1, "\x40\x01a\x7f\x81\xff\x3f")
	r := NewReader(strings.NewReader(in), cfg)
	_, err := r.Next()
	checkConnError(t, r, err, EnhanceYourCalm)
	checkText(t, err, "a string longer than 2000 octets")

	// Huffman coding that expands beyond the limit: "0" has five bits.
	in = rawFrame(1, http2.FlagHeadersEndHeaders, 1, "\x40\x01a"+encodeBlock("a", strings.Repeat("0", 2400))[3:])
	r = NewReader(strings.NewReader(in), cfg)
	_, err = r.Next()
	checkConnError(t, r, err, EnhanceYourCalm)
}

func TestContinuationFlood(t *testing.T) {
	tests := []struct {
		name  string
		frame string
	}{
		{"empty", rawFrame(9, 0, 1, "")},
		{"one octet", rawFrame(9, 0, 1, get)},
	}
	for _, test := range tests {
		for _, limit := range []int{0, 3} {
			t.Run(fmt.Sprintf("%s, limit %d", test.name, limit), func(t *testing.T) {
				allowed := limit
				if limit == 0 {
					allowed = 12 // (2*16 KiB + 16 KiB) / 4096
				}
				cfg := ReaderConfig{MaxContinuations: limit}
				head := rawFrame(1, 0, 1, get)
				legal := head + strings.Repeat(test.frame, allowed-1) + rawFrame(9, 4, 1, "")
				if _, err := NewReader(strings.NewReader(legal), cfg).Next(); err != nil {
					t.Errorf("%d CONTINUATION frames: %v", allowed, err)
				}
				r := NewReader(strings.NewReader(head+strings.Repeat(test.frame, 100)), cfg)
				_, err := r.Next()
				checkConnError(t, r, err, EnhanceYourCalm)
				checkText(t, err, fmt.Sprintf("more than %d CONTINUATION frames", allowed))
			})
		}
	}
}

// An HPACK bomb: one large entry in the table, then thousands of references
// of one octet each. What is stored and what is allocated stay bounded.
func TestHPACKBomb(t *testing.T) {
	const refs = 30000
	bomb := encodeBlock("a", strings.Repeat("x", 4000)) + strings.Repeat("\xbe", refs)
	in := blockFrames(1, bomb, 16384)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h := readBlock(t, in, ReaderConfig{})
	runtime.ReadMemStats(&after)
	checkText(t, h.Err, "header list larger than 16384 octets")
	if len(h.Fields) > 4 {
		t.Errorf("%d fields stored", len(h.Fields))
	}
	// The wire carries 31 KiB, the list would have 120 MB.
	if got := after.TotalAlloc - before.TotalAlloc; got > 256<<10 {
		t.Errorf("allocated %d octets", got)
	}
}

func TestHeaderTableSize(t *testing.T) {
	resize := func(n uint64, then string) string {
		var b bytes.Buffer
		enc := hpack.NewEncoder(&b)
		enc.SetMaxDynamicTableSizeLimit(1 << 20)
		enc.SetMaxDynamicTableSize(uint32(n))
		_ = enc.WriteField(Field{Name: then, Value: "v"})
		return blockFrames(1, b.String(), 16384)
	}
	// step is a block with a table update.
	type step struct {
		block string
		ok    bool
	}
	tests := []struct {
		name  string
		cfg   ReaderConfig
		steps []step
	}{
		{"default allows 4096", ReaderConfig{}, []step{{resize(4096, "a"), true}, {resize(4097, "a"), false}}},
		{"a smaller wish is raised", ReaderConfig{MaxHeaderTable: 100},
			[]step{{resize(4096, "a"), true}, {resize(4097, "a"), false}}},
		{"a larger one is granted", ReaderConfig{MaxHeaderTable: 1 << 16}, []step{{resize(1<<16, "a"), true}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var in strings.Builder
			for _, s := range test.steps {
				in.WriteString(s.block)
			}
			r := NewReader(strings.NewReader(in.String()), test.cfg)
			for i, s := range test.steps {
				_, err := r.Next()
				if s.ok && err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				if !s.ok {
					checkConnError(t, r, err, CompressionError)
				}
			}
		})
	}
}

// A size update may only come at the beginning of a block (RFC 7541 section
// 4.2).
func TestHeaderTableSizeUpdateInMidBlock(t *testing.T) {
	in := rawFrame(1, http2.FlagHeadersEndHeaders, 1, "\x40\x01a\x01b"+"\x20")
	r := NewReader(strings.NewReader(in), ReaderConfig{})
	_, err := r.Next()
	checkConnError(t, r, err, CompressionError)
}

func TestHeadersAreLentUntilNext(t *testing.T) {
	in := blockFrames(1, encodeBlock("a", "1", "b", "2"), 16384) + rawFrame(6, 0, 0, "12345678")
	r := NewReader(strings.NewReader(in), ReaderConfig{})
	f, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	h, fields := f.Headers, f.Headers.Fields
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if len(h.Fields) != 0 || fields[0] != (Field{}) {
		t.Errorf("the reader holds on to %v", fields)
	}
}

func TestReaderDoesNotKeepLargeBlocks(t *testing.T) {
	fields := make([]string, 0, 400)
	for i := range 200 {
		fields = append(fields, fmt.Sprintf("k%d", i), "v")
	}
	in := blockFrames(1, encodeBlock(fields...), 16384) + rawFrame(6, 0, 0, "12345678")
	r := NewReader(strings.NewReader(in), ReaderConfig{})
	f, err := r.Next()
	if err != nil || len(f.Headers.Fields) != 200 {
		t.Fatalf("%d fields, %v", len(f.Headers.Fields), err)
	}
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if got := cap(r.block.h.Fields); got > maxKeptFields {
		t.Errorf("room for %d fields kept", got)
	}
}
