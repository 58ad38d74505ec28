package frame

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"weak"
)

// patient makes a PatientReader of any, which before each read has nothing.
type patient struct {
	io.Reader
	waits func() // called where it would wait; nil: nothing is called
}

func (p *patient) ReadInto(room Room) (int, error) {
	room.Take()[0] = 'x' // a read that brings nothing may write there
	room.Drop()
	if p.waits != nil {
		p.waits()
	}
	return p.Read(room.Take())
}

// While a Reader waits for a patient reader it holds no buffer, and nothing of
// the frame before.
func TestAwaitHoldsNothing(t *testing.T) {
	wire := rawFrame(1, 4, 1, get)
	in := &patient{Reader: iotest.OneByteReader(strings.NewReader(wire + wire))}
	r := NewReader(in, ReaderConfig{})
	waits := 0
	in.waits = func() {
		waits++
		if r.src.scratch != nil || r.src.window() != nil || r.block.fields != nil || r.Buffered() {
			t.Error("something is held")
		}
	}
	for range 2 {
		r.Await()
		r.Await() // something is there: it does nothing
		if f, err := r.Next(); err != nil || len(f.Headers.Fields) == 0 || f.Headers.Err != nil {
			t.Fatal(f.Headers, err)
		}
	}
	if waits != 2 {
		t.Errorf("it waited %d times, want once for each frame", waits)
	}
	r.Await()
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	r.Await()
	r.Release()
	r.Await()
}

// What fails while a Reader waits is what Next returns.
func TestAwaitFails(t *testing.T) {
	broken := errors.New("broken")
	ping := rawFrame(6, 0, 0, "12345678")
	tests := []struct {
		name   string
		in     io.Reader
		frames int
		want   error
	}{
		{"at the end", strings.NewReader(""), 0, io.EOF},
		{"inside a header", strings.NewReader(ping[:5]), 0, io.ErrUnexpectedEOF},
		{"inside a payload", strings.NewReader(ping + ping[:12]), 1, io.ErrUnexpectedEOF},
		{"by an error", iotest.ErrReader(broken), 0, broken},
		{"by an error after a frame", io.MultiReader(strings.NewReader(ping), iotest.ErrReader(broken)), 1, broken},
		{"without progress", stuck{}, 0, io.ErrNoProgress},
	}
	for _, test := range tests {
		r := NewReader(&patient{Reader: test.in}, ReaderConfig{})
		for range test.frames {
			r.Await()
			if _, err := r.Next(); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		}
		if r.Await() == (test.want == io.ErrNoProgress) {
			t.Errorf("%s: Await reports %v", test.name, test.want == io.ErrNoProgress)
		}
		if _, err := r.Next(); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

// stuck returns neither data nor an error.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// Nothing keeps the buffer of a Reader that waits from being freed: not even the
// HPACK decoder, which refers to what it has read last.
func TestAwaitFreesTheBuffer(t *testing.T) {
	in := &patient{Reader: &frames{wire: []byte(blockFrames(1, encodeBlock("a", "b"), 100))}}
	r := NewReader(in, ReaderConfig{ReadBuffer: 1 << 10}) // of a size that is not pooled
	r.Await()
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	buf := weak.Make(&r.src.buf[0])
	in.waits = func() {
		runtime.GC()
		if buf.Value() != nil {
			t.Error("the buffer is still referred to")
		}
	}
	r.Await()
	runtime.KeepAlive(r)
}

// frames reads the same octets again and again, all at once.
type frames struct{ wire []byte }

func (f *frames) Read(p []byte) (int, error) { return copy(p, f.wire), nil }
