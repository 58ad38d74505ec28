package frame

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// whole is a writer that takes one slice at a time, as TLS does.
type whole struct {
	bytes.Buffer

	writes []int
	fail   int // which Write fails, counted from 1; 0: none
}

var errFull = errors.New("full")

func (d *whole) Write(p []byte) (int, error) {
	d.writes = append(d.writes, len(p))
	if len(d.writes) == d.fail {
		return 0, errFull
	}
	return d.Buffer.Write(p)
}

// chained is a Writer with frames of these payloads, and what it has to write.
func chained(t *testing.T, payloads ...int) (w *Writer, want []byte) {
	t.Helper()
	leak.Buffers(t)
	w = NewWriter()
	w.SetMaxFrameSize(maxMaxFrameSize)
	for i, n := range payloads {
		b := mem.Get(n)
		p := b.Bytes()
		for j := range p {
			p[j] = byte(i + j*j>>8)
		}
		want = append(want, byte(n>>16), byte(n>>8), byte(n), 0, 0, 0, 0, 0, byte(2*i+1))
		want = append(want, p...)
		w.Data(uint32(2*i+1), nil, p, b, false)
		b.Free()
	}
	return w, want
}

// Payloads and what is between them go out in order, in Writes that fill records.
func TestWritePieces(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	cases := [][]int{
		{chainAt}, {recordSize}, {recordSize - 9}, {recordSize - 9, recordSize}, {pieceSize}, {pieceSize - 9}, {1 << 20},
		{recordSize, recordSize, recordSize, recordSize, recordSize}, {0, chainAt, 1, 5 * recordSize, 0},
	}
	for range 50 {
		var payloads []int
		for range 1 + rnd.IntN(8) {
			payloads = append(payloads, rnd.IntN(1<<(4+rnd.IntN(15))))
		}
		cases = append(cases, payloads)
	}
	for _, payloads := range cases {
		w, want := chained(t, payloads...)
		var d whole
		if err := w.Flush(&d); err != nil || !bytes.Equal(d.Bytes(), want) {
			t.Fatalf("%v: %v, or not what was to be written", payloads, err)
		}
		for i, n := range d.writes[:len(d.writes)-1] {
			if n%recordSize != 0 && len(d.writes) > 1 {
				t.Errorf("%v: Write %d is of %d octets, of %v", payloads, i, n, d.writes)
			}
		}
		if len(d.writes) > 2+len(want)/recordSize {
			t.Errorf("%v: written by %v", payloads, d.writes)
		}
	}
}

// The first error is the Writer's, and nothing is written after it.
func TestWritePiecesFails(t *testing.T) {
	for fail := 1; fail <= 3; fail++ {
		w, _ := chained(t, 3*pieceSize, 3*pieceSize)
		d := whole{fail: fail}
		if err := w.Flush(&d); !errors.Is(err, errFull) || len(d.writes) != fail {
			t.Errorf("%v after %v", err, d.writes)
		}
		if w.Len() != 0 {
			t.Error("something is left")
		}
		if err := w.Flush(&d); err != nil {
			t.Errorf("later: %v", err)
		}
	}
}

// Who may not wait copies chained payloads, if there are few octets, and leaves what
// is not taken to Flush.
func TestTryFlush(t *testing.T) {
	for _, tc := range []struct {
		name  string
		most  int
		takes int // octets, of the first write
		want  bool
	}{
		{"all is taken", 100_000, 1 << 20, true},
		{"some is taken", 100_000, 10_000, false},
		{"nothing is taken", 100_000, 0, false},
		{"too much to copy", 10_000, 1 << 20, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, want := chained(t, 100, recordSize, 3*recordSize, 10)
			var d whole
			tries := 0
			done, err := w.TryFlush(func(p []byte) (int, error) {
				tries++
				return d.Write(p[:min(len(p), tc.takes)])
			}, tc.most)
			if done != tc.want || err != nil || tries > 1 || tries == 0 && tc.most > len(want) {
				t.Fatalf("done %v after %d tries, %v", done, tries, err)
			}
			if err := w.Flush(&d); err != nil || !bytes.Equal(d.Bytes(), want) {
				t.Errorf("%v, or not what was to be written", err)
			}
		})
	}
	t.Run("failure", func(t *testing.T) {
		w, _ := chained(t, recordSize)
		done, err := w.TryFlush(func([]byte) (int, error) { return 0, errFull }, 1<<20)
		if !done || !errors.Is(err, errFull) || w.Len() != 0 {
			t.Errorf("done %v, %v, %d octets left", done, err, w.Len())
		}
	})
}
