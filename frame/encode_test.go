package frame

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// blockLen returns how long the next block is.
func blockLen(t *testing.T, w *Writer, fields ...Field) int {
	t.Helper()
	w.Headers(1, fields, false)
	return len(mustFlush(t, w)) - headerLen
}

func TestWriterIndexing(t *testing.T) {
	long := strings.Repeat("x", 3000)
	tests := []struct {
		name          string
		first, second Field
		indexed       bool
	}{
		{"repeated", Field{Name: ":path", Value: "/s/m"}, Field{Name: ":path", Value: "/s/m"}, true},
		{"sensitive", Field{Name: "k", Value: "v", Sensitive: true}, Field{Name: "k", Value: "v"}, false},
		{"binary", Field{Name: "k-bin", Value: "AAAA"}, Field{Name: "k-bin", Value: "AAAA"}, false},
		{"half the table", Field{Name: "k", Value: long}, Field{Name: "k", Value: long}, false},
	}
	for _, test := range tests {
		w := NewWriter()
		blockLen(t, w, test.first)
		if got := blockLen(t, w, test.second) == 1; got != test.indexed {
			t.Errorf("%s: indexed = %v, want %v", test.name, got, test.indexed)
		}
	}
}

func TestWriterVolatileNames(t *testing.T) {
	names := []string{
		"grpc-timeout", "grpc-message", "grpc-status-details-bin", "traceparent", "tracestate", "grpc-trace-bin",
	}
	for _, name := range names {
		w := NewWriter()
		first := blockLen(t, w, Field{Name: name, Value: "one value"})
		later := blockLen(t, w, Field{Name: name, Value: "another 1"})
		if again := blockLen(t, w, Field{Name: name, Value: "another 1"}); again != later || later > first-6 {
			t.Errorf("%s: blocks of %d, %d and %d octets: the name should be indexed, the value not",
				name, first, later, again)
		}
		w.SetHeaderTableSize(2048) // empties the table
		blockLen(t, w, Field{Name: name, Value: "one value"})
		if again := blockLen(t, w, Field{Name: name, Value: "another 1"}); again != later {
			t.Errorf("%s: a block of %d octets after the table was emptied, want %d", name, again, later)
		}
	}
}

// Values of volatile fields stay out of the table, their names get into it:
// however many calls are made, the table holds its useful entries.
func TestWriterVolatileFields(t *testing.T) {
	w := NewWriter()
	path := Field{Name: ":path", Value: "/package.Service/Method"}
	blockLen(t, w, path)
	for i := range 1000 {
		timeout := Field{Name: "grpc-timeout", Value: fmt.Sprintf("%dm", 10000+i)}
		n := blockLen(t, w, path, timeout)
		if want := 1 + 1 + 1 + 5; i > 0 && n > want+1 {
			t.Fatalf("call %d: a block of %d octets, want at most %d", i, n, want+1)
		}
	}
}

// The peer's SETTINGS usually come before the first header block.
func TestWriterHeaderTableSizeAtFirst(t *testing.T) {
	w := NewWriter()
	w.SetHeaderTableSize(0)
	k := Field{Name: "k", Value: "v"}
	w.Headers(1, []Field{k}, false)
	if wire := mustFlush(t, w); wire[headerLen] != 0x20 {
		t.Errorf("the first block begins with %#x, want 0x20", wire[headerLen])
	}
	if n := blockLen(t, w, k); n == 1 {
		t.Error("indexed in a table of size 0")
	}
}

func TestWriterHeaderTableSize(t *testing.T) {
	w := NewWriter()
	k := Field{Name: "k", Value: "v"}
	blockLen(t, w, k)
	w.SetHeaderTableSize(4096) // as it is: no update
	if n := blockLen(t, w, k); n != 1 {
		t.Errorf("same size: block of %d octets, want 1", n)
	}
	w.SetHeaderTableSize(1 << 20) // more than we use
	if n := blockLen(t, w, k); n != 1 {
		t.Errorf("larger size: block of %d octets, want 1", n)
	}
	w.SetHeaderTableSize(0)
	w.Headers(1, []Field{k}, false)
	if wire := mustFlush(t, w); wire[headerLen] != 0x20 {
		t.Errorf("after size 0 the block begins with %#x, want 0x20", wire[headerLen])
	}
	if n := blockLen(t, w, k); n == 1 {
		t.Error("indexed in a table of size 0")
	}
}

// Down and up between two blocks is announced as both (RFC 7541 section 4.2),
// and a decoder of x/net with entries in its table goes along.
func TestWriterHeaderTableSizeTwice(t *testing.T) {
	k := Field{Name: "k", Value: "v"}
	w := NewWriter()
	blockLen(t, w, k)
	w.SetHeaderTableSize(100)
	w.SetHeaderTableSize(4096)
	w.Headers(1, []Field{k}, false)
	if wire := mustFlush(t, w); !bytes.HasPrefix(wire[headerLen:], []byte("\x20\x3f\xe1\x1f\x40")) {
		t.Errorf("after size 100 and 4096 the block is %x", wire[headerLen:])
	}

	w = NewWriter()
	w.Headers(1, []Field{k}, false)
	w.SetHeaderTableSize(100)
	w.SetHeaderTableSize(200)
	w.Headers(3, []Field{k, k}, false)
	want := []string{`HEADERS stream=1 len=5 k="v"`, `HEADERS stream=3 len=10 k="v" k="v"`}
	checkTranscript(t, string(mustFlush(t, w)), want)
}
