package frame

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/internal/mem"
)

// Any octets: no panic, an end, nothing leaked, nothing beyond the limits, and
// the same whatever pieces they arrive in.
func FuzzReader(f *testing.F) {
	for _, path := range goldenFiles(f) {
		f.Add(readGolden(f, path).wire)
	}
	f.Add([]byte(blockFrames(1, encodeBlock("a", strings.Repeat("x", 4000))+strings.Repeat("\xbe", 100), 1000)))
	f.Add([]byte(rawFrame(1, 0, 1, get) + strings.Repeat(rawFrame(9, 0, 1, ""), 20)))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		cfg := ReaderConfig{MaxHeaderList: 2000}
		whole := fuzzTranscript(t, NewReader(bytes.NewReader(in), cfg), len(in))
		pieces := fuzzTranscript(t, NewReader(iotest.OneByteReader(bytes.NewReader(in)), cfg), len(in))
		if whole != pieces {
			t.Errorf("read as a whole:\n%s\noctet by octet:\n%s", whole, pieces)
		}
		patiently := fuzzTranscript(t, NewReader(&patient{Reader: bytes.NewReader(in)}, cfg), len(in))
		if whole != patiently {
			t.Errorf("read as a whole:\n%s\npatiently:\n%s", whole, patiently)
		}
		// With a small buffer, what is wrong with a cut block may be found
		// before the cut: the transcript can differ.
		cfg.ReadBuffer = minReadBuffer
		fuzzTranscript(t, NewReader(bytes.NewReader(in), cfg), len(in))
	})
}

// fuzzTranscript is transcript with checks of what it reads.
func fuzzTranscript(t *testing.T, r *Reader, size int) string {
	var lines strings.Builder
	for range size/headerLen + 2 {
		f, err := awaited(r)
		if _, ok := err.(*StreamError); err != nil && !ok {
			lines.WriteString(err.Error())
			return lines.String()
		}
		if f.Data != nil && f.Data.Len() > minMaxFrameSize || len(f.Debug) > maxDebug {
			t.Errorf("more than allowed: %s", f.text())
		}
		if f.Headers != nil {
			checkListSize(t, f.Headers, 2000)
		}
		lines.WriteString(f.text() + "\n")
	}
	t.Errorf("no end after %d octets", size)
	return ""
}

func checkListSize(t *testing.T, h *Headers, limit uint32) {
	t.Helper()
	var size uint32
	for _, field := range h.Fields {
		size += field.Size()
	}
	if size > limit {
		t.Errorf("header list of %d octets, the limit is %d", size, limit)
	}
	_ = CheckRequest(h)
	_ = CheckResponse(h)
	_ = CheckTrailers(h)
}

// Any split of a stream gives the same messages and the same error.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte(message(false, "abc")+message(true, "")+message(false, strings.Repeat("x", 2000))), uint64(1), 100)
	f.Add([]byte("\x02\x00\x00\x00\x00"), uint64(2), -1)
	f.Add([]byte("\x00\xff\xff\xff\xffx"), uint64(3), -1)
	f.Add([]byte("\x00\x00\x00\x00\x09123456789\x00"), uint64(4), 8)
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, limit int) {
		wholeText, whole := fuzzAssemble(stream, func() int { return len(stream) }, limit)
		random := rand.New(rand.NewPCG(seed, 0))
		splitText, split := fuzzAssemble(stream, func() int { return random.IntN(20) * random.IntN(200) }, limit)
		if wholeText != splitText || whole != split {
			t.Errorf("as a whole %q, %+v, in parts %q, %+v", wholeText, whole, splitText, split)
		}
	})
}

// assembly is what an Assembler has to say at the end of a stream.
type assembly struct {
	err       MessageError
	mid       bool
	got, want int
}

func fuzzAssemble(stream []byte, size func() int, limit int) (messages string, end assembly) {
	var a Assembler
	defer a.Close()
	for len(stream) > 0 {
		n := min(size(), len(stream))
		if err := a.Push(mem.Copy(stream[:n]), limit); err != nil {
			end.err = *err.(*MessageError)
		}
		stream = stream[n:]
		if n%2 == 0 {
			messages += strings.Join(popAll(&a), "")
		}
	}
	messages += strings.Join(popAll(&a), "")
	end.mid = a.Mid()
	end.got, end.want = a.Partial()
	return messages, end
}

// What is appended is parsed as a time that is not shorter, and longer by one
// percent at most; what is parsed can be appended.
func FuzzTimeout(f *testing.F) {
	for _, d := range []int64{math.MinInt64, 0, 1, 99999999, 100000001, int64(time.Hour), math.MaxInt64} {
		f.Add(d, "1S")
	}
	for _, s := range []string{"", "00000000n", "99999999H", "2562047H", "1.5S"} {
		f.Add(int64(1), s)
	}
	f.Fuzz(func(t *testing.T, n int64, s string) {
		d := time.Duration(n)
		wire := timeoutOf(d)
		got, err := ParseTimeout(wire)
		if err != nil {
			t.Fatalf("%v is encoded as %q: %v", d, wire, err)
		}
		if d > 0 && (got < d || float64(got-d) > float64(d)/100) {
			t.Errorf("%v is encoded as %q, which is %v", d, wire, got)
		}
		if got, err = ParseTimeout(s); err != nil {
			return
		}
		if again, err := ParseTimeout(timeoutOf(got)); err != nil || got > 0 && again < got {
			t.Errorf("%q is %v, then %q", s, got, timeoutOf(got))
		}
	})
}

func FuzzPercent(f *testing.F) {
	for _, s := range []string{"", "%", "%4", "%41", "100% sure", " a ", "☺\xff\x00", "%%34%31"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		wire := EncodePercent(s)
		if string(AppendPercent(nil, s)) != wire {
			t.Errorf("AppendPercent and EncodePercent differ for %q", s)
		}
		if !isPrintableText(wire) || strings.TrimSpace(wire) != wire {
			t.Errorf("%q is encoded as %q", s, wire)
		}
		if got := DecodePercent(wire); got != s {
			t.Errorf("%q comes back as %q", s, got)
		}
		if got := DecodePercent(s); len(got) > len(s) {
			t.Errorf("%q grows to %q", s, got)
		}
	})
}

// isPrintableText reports whether s may be the value of a header field of gRPC's.
func isPrintableText(s string) bool {
	for i := range len(s) {
		if !isPrintable(s[i]) {
			return false
		}
	}
	return true
}

func FuzzBinary(f *testing.F) {
	for _, s := range []string{"", "A", "AA", "AA==", "Zm9v,Zg", "\x00\xff", "===="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		wire := string(AppendBinary(nil, s))
		if !isPrintableText(wire) || strings.ContainsAny(wire, "=,") {
			t.Errorf("%q is encoded as %q", s, wire)
		}
		if got, err := DecodeBinary(wire); err != nil || got != s {
			t.Errorf("%q comes back as %q, %v", s, got, err)
		}
		for part := range SplitBinary(s) {
			if raw, err := DecodeBinary(part); err == nil && len(raw) > len(part) {
				t.Errorf("%q grows to %q", part, raw)
			}
		}
	})
}

// Random programs: what a Writer writes, a Reader reads.
func FuzzWriterToReader(f *testing.F) {
	f.Add(uint64(1))
	f.Add(uint64(42))
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		w := NewWriter()
		var sent []int
		for range random.IntN(30) {
			n := random.IntN(minMaxFrameSize)
			if random.IntN(3) == 0 {
				value := strings.Repeat("v", n)
				w.Headers(1, []Field{{Name: "k", Value: value}, {Name: "l", Value: value[:n/8]}}, false)
			} else {
				owner := mem.Get(n)
				w.Data(1, nil, owner.Bytes(), owner, false)
				owner.Free()
			}
			if random.IntN(10) == 0 {
				w.SetHeaderTableSize(uint32(random.IntN(8192)))
			}
			sent = append(sent, n)
		}
		r := NewReader(bytes.NewReader(mustFlush(t, w)), ReaderConfig{MaxHeaderList: 1 << 20})
		for _, n := range sent {
			checkSent(t, r, n)
		}
	})
}

// checkSent reads a DATA frame of n octets, or a block with a value of n.
func checkSent(t *testing.T, r *Reader, n int) {
	t.Helper()
	f, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Data.Free()
	if f.Type == http2.FrameHeaders {
		if got := len(f.Headers.Value("k")); got != n || f.Headers.Err != nil {
			t.Fatalf("block with %d octets, want %d; %v", got, n, f.Headers.Err)
		}
		return
	}
	if int(f.Length) != n {
		t.Fatalf("DATA of %d octets, want %d", f.Length, n)
	}
}
