package frame_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/leak"
)

// choppy gives at most so many octets at once, and is interrupted before each piece
// where that is allowed.
type choppy struct {
	data  []byte
	piece int

	isAllowed     bool
	isInterrupted bool // the last time
	reads         int
}

func (c *choppy) Read(p []byte) (int, error) {
	c.reads++
	if c.isAllowed && !c.isInterrupted {
		c.isInterrupted = true
		return 0, frame.ErrInterrupted
	}
	c.isInterrupted = false
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.piece)], c.data)
	c.data = c.data[n:]
	return n, nil
}

// interruptible is frames large and small, among them one with padding, which is read
// in one go.
func interruptible() []byte {
	w := frame.NewWriter()
	w.Settings()
	w.SetMaxFrameSize(1 << 20)
	for i, size := range []int{40_000, 5000, 10, 16_384, 0} {
		id := uint32(2*i + 1)
		w.Data(id, nil, bytes.Repeat([]byte{byte(id)}, size), nil, id == 7)
		w.WindowUpdate(id, 5)
	}
	var b bytes.Buffer
	if err := w.Flush(&b); err != nil {
		panic(err)
	}
	padded := append([]byte{0, 0x13, 0x89, 0, 8, 0, 0, 0, 11, 0}, make([]byte, 5000)...)
	return append(padded, b.Bytes()...)
}

// Interrupted anywhere in frames that allow it, a Reader reads what it reads otherwise.
func TestReaderIsInterrupted(t *testing.T) {
	all := interruptible()
	cfg := frame.ReaderConfig{MaxFrameSize: 1 << 20}
	whole := frame.NewReader(bytes.NewReader(all), cfg)
	var want []string
	for {
		f, err := whole.Next()
		if err != nil {
			break
		}
		want = append(want, describe(&f))
	}
	if len(want) < 12 {
		t.Fatalf("there are %d frames: %q", len(want), want)
	}
	for _, piece := range []int{9, 10, 100, 4096, 9000, 32 << 10, 1 << 20} {
		t.Run(fmt.Sprint(piece), func(t *testing.T) {
			leak.Buffers(t)
			from := &choppy{data: all, piece: piece}
			r := frame.NewReader(from, cfg)
			interruptions, got := 0, []string(nil)
			for {
				r.Await()
				from.isAllowed = r.IsInterruptible()
				isBuffered, before := r.Buffered(), from.reads
				f, err := r.Next()
				if isBuffered && from.reads != before {
					t.Fatalf("it reads %d times for a frame that was buffered", from.reads-before)
				}
				from.isAllowed = false
				if errors.Is(err, frame.ErrInterrupted) {
					if interruptions++; !r.IsInterruptible() || r.IsEmpty() && from.reads == before {
						t.Fatal("an interrupted frame is forgotten")
					}
					continue
				}
				if err != nil {
					if !errors.Is(err, io.EOF) {
						t.Error(err)
					}
					break
				}
				got = append(got, describe(&f))
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %q\nwant %q", got, want)
			}
			if interruptions == 0 && piece >= 100 && piece <= 9000 { // else frame headers come in parts, or frames whole
				t.Error("it was never interrupted")
			}
		})
	}
}

// The rest of an interrupted frame is a whole frame, even with nothing behind it.
func TestRestOfAPartIsBuffered(t *testing.T) {
	leak.Buffers(t)
	w := frame.NewWriter()
	w.Data(1, nil, make([]byte, 10_000), nil, false)
	var b bytes.Buffer
	if err := w.Flush(&b); err != nil {
		t.Fatal(err)
	}
	from := &choppy{data: b.Bytes(), piece: 6000}
	r := frame.NewReader(from, frame.ReaderConfig{})
	r.Await()
	from.isAllowed = true
	if _, err := r.Next(); !errors.Is(err, frame.ErrInterrupted) {
		t.Fatalf("it is not interrupted: %v", err)
	}
	r.Await()
	if !r.Buffered() {
		t.Error("all of the frame has come, and Buffered is false")
	}
	r.Release()
}

// describe says what there is to know of a frame, and frees its payload.
func describe(f *frame.Frame) string {
	content := 0
	if f.Data != nil {
		content = sum(f.Data.Bytes())
		f.Data.Free()
	}
	return fmt.Sprintf("%v %d %d %v %x", f.Type, f.StreamID, f.Length, f.End, content)
}

func sum(p []byte) (n int) {
	for i, b := range p {
		n += (i + 1) * int(b)
	}
	return n
}

// A Reader that is released inside a frame lets go of what it has of that.
func TestReleaseOfAPart(t *testing.T) {
	leak.Buffers(t)
	from := &choppy{data: interruptible()[5019:], piece: 10_000}
	r := frame.NewReader(from, frame.ReaderConfig{MaxFrameSize: 1 << 20})
	for {
		r.Await()
		from.isAllowed = r.IsInterruptible()
		f, err := r.Next()
		f.Data.Free()
		if errors.Is(err, frame.ErrInterrupted) {
			break
		}
		if err != nil {
			t.Fatalf("it is not interrupted: %v", err)
		}
	}
	from.isAllowed = false
	r.Release()
	if _, err := r.Next(); err == nil || errors.Is(err, frame.ErrInterrupted) {
		t.Errorf("after Release: %v", err)
	}
}
