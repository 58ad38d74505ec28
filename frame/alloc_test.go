//go:build !race

// The race detector makes sync.Pool drop buffers at random.

package frame

import (
	"io"
	"testing"

	"github.com/cqrpc/cqrpc/internal/mem"
)

func checkAllocs(t *testing.T, name string, want float64, f func()) {
	t.Helper()
	if got := testing.AllocsPerRun(1000, f); got > want {
		t.Errorf("%s: %v allocations, want at most %v", name, got, want)
	}
}

// nextOf returns a function that reads one of the frames in wire.
func nextOf(t testing.TB, wire string) func() {
	r := NewReader(&repeat{p: []byte(wire)}, ReaderConfig{})
	return func() {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		f.Data.Free()
	}
}

func TestReaderAllocations(t *testing.T) {
	indexed := "\x83\x86\x88"
	tests := []struct{ name, wire string }{
		{"small DATA", rawFrame(0, 0, 1, string(make([]byte, 100)))},
		{"large DATA", rawFrame(0, 0, 1, string(make([]byte, 16384)))},
		{"padded DATA", rawFrame(0, 8, 1, "\x02abc\x00\x00")},
		{"HEADERS of indexed fields", rawFrame(1, 4, 1, indexed)},
		{"HEADERS with CONTINUATION", rawFrame(1, 0, 1, indexed) + rawFrame(9, 4, 1, "")},
		{"SETTINGS", rawFrame(4, 0, 0, "\x00\x05\x00\x00\x40\x00")},
		{"PING", rawFrame(6, 0, 0, "12345678")},
		{"WINDOW_UPDATE", rawFrame(8, 0, 1, "\x00\x00\x00\x01")},
		{"RST_STREAM", rawFrame(3, 0, 1, "\x00\x00\x00\x01")},
		{"GOAWAY", rawFrame(7, 0, 0, "12345678debug")},
		{"unknown", rawFrame(99, 0, 0, "12345678")},
	}
	for _, test := range tests {
		checkAllocs(t, test.name, 0, nextOf(t, test.wire))
	}
}

// What is given back while a Reader waits is there again when it reads.
func TestAwaitAllocations(t *testing.T) {
	for _, wire := range []string{
		rawFrame(1, 4, 1, "\x83\x86\x88"), rawFrame(4, 0, 0, "\x00\x05\x00\x00\x40\x00"), rawFrame(7, 0, 0, "12345678debug"),
	} {
		r := NewReader(&patient{Reader: &frames{wire: []byte(wire)}}, ReaderConfig{})
		checkAllocs(t, "a patient reader", 0, func() {
			r.Await()
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestWriterAllocations(t *testing.T) {
	w := NewWriter()
	flush := func() {
		if err := w.Flush(io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	small, large := mem.Get(100), mem.Get(16000)
	defer small.Free()
	defer large.Free()
	prefix := prefixOf(false, 100)
	checkAllocs(t, "small DATA", 0, func() { w.Data(1, prefix, small.Bytes(), small, true); flush() })
	checkAllocs(t, "large DATA", 0, func() { w.Data(1, prefix, large.Bytes(), large, true); flush() })
	checkAllocs(t, "control", 0, func() {
		w.PingAck([8]byte{})
		w.WindowUpdate(1, 1)
		w.RSTStream(1, Cancel)
		w.SettingsAck()
		flush()
	})
	fields := requestFields("1S")
	checkAllocs(t, "HEADERS", 0, func() { w.Headers(1, fields, false); flush() })
	checkAllocs(t, "Release", 0, func() { w.SettingsAck(); flush(); w.Release() })
}

func TestVectoredWriteAllocations(t *testing.T) {
	client, server := connPair(t, "tcp")
	go io.Copy(io.Discard, server)
	w := NewWriter()
	large := mem.Get(16000)
	defer large.Free()
	checkAllocs(t, "vectored write", 0, func() {
		w.Data(1, nil, large.Bytes(), large, false)
		w.Data(1, nil, large.Bytes(), large, true)
		if err := w.Flush(client); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAssemblerAllocations(t *testing.T) {
	a := new(Assembler)
	small, large := []byte(message(false, "hello")), []byte(message(false, string(make([]byte, 16000))))
	push := func(parts ...[]byte) func() {
		return func() {
			for _, p := range parts {
				if err := a.Push(mem.Copy(p), -1); err != nil {
					t.Fatal(err)
				}
			}
			for m, ok := a.Pop(); ok; m, ok = a.Pop() {
				m.Body.Free()
			}
		}
	}
	checkAllocs(t, "one message", 0, push(small))
	checkAllocs(t, "one large message", 0, push(large))
	checkAllocs(t, "several in a payload", 0, push([]byte(message(false, "a")+message(false, "b")+message(false, "c"))))
	checkAllocs(t, "one in two payloads", 0, push(small[:7], small[7:]))
	checkAllocs(t, "a large one in two payloads", 0, push(large[:9000], large[9000:]))
}

func TestCodecAllocations(t *testing.T) {
	buf := make([]byte, 0, 100)
	checkAllocs(t, "AppendTimeout", 0, func() { buf = AppendTimeout(buf[:0], 1234567890) })
	checkAllocs(t, "ParseTimeout", 0, func() { _, _ = ParseTimeout("12345678u") })
	checkAllocs(t, "PutPrefix", 0, func() { PutPrefix((*[PrefixLen]byte)(buf[:PrefixLen]), true, 5) })
	checkAllocs(t, "AppendBinary", 0, func() { buf = AppendBinary(buf[:0], "raw octets") })
	checkAllocs(t, "EncodePercent", 0, func() { _ = EncodePercent("no such user") })
	checkAllocs(t, "DecodePercent", 0, func() { _ = DecodePercent("no such user") })
	h := &Headers{Fields: requestFields("1S")}
	checkAllocs(t, "CheckRequest", 0, func() {
		if err := CheckRequest(h); err != nil {
			t.Fatal(err)
		}
	})
}
