package codec_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/cqrpc/cqrpc/codec"
)

func TestGzipRoundTrip(t *testing.T) {
	noise := make([]byte, 100_000)
	for r, i := rand.New(rand.NewPCG(1, 2)), 0; i < len(noise); i++ {
		noise[i] = byte(r.Uint32())
	}
	for name, src := range map[string][]byte{
		"empty": {},
		"short": []byte("a"),
		"text":  []byte(strings.Repeat("gRPC over HTTP/2. ", 1000)),
		"zeros": make([]byte, 1<<20),
		"noise": noise,
	} {
		for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level++ {
			c, err := codec.GzipLevel(level)
			if err != nil {
				t.Fatal(err)
			}
			packed := mustCompress(t, c, []byte("kept"), src)
			packed, ok := bytes.CutPrefix(packed, []byte("kept"))
			if !ok {
				t.Fatalf("%s, level %d: Compress overwrote what was there", name, level)
			}
			got, err := c.Decompress([]byte("kept"), packed, len(src))
			if err != nil || !bytes.Equal(got, append([]byte("kept"), src...)) {
				t.Errorf("%s, level %d: %d bytes came back as %d, %v", name, level, len(src), len(got), err)
			}
		}
	}
}

func TestGzipLevelsOutsideTheRange(t *testing.T) {
	for _, level := range []int{-3, 10} {
		if c, err := codec.GzipLevel(level); err == nil || c != nil {
			t.Errorf("GzipLevel(%d) = %v, %v; want an error", level, c, err)
		}
	}
}

func TestGzipIsReadByOthers(t *testing.T) {
	packed := mustCompress(t, codec.Gzip(), nil, []byte("hello"))
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "hello" {
		t.Errorf("compress/gzip reads %q, %v", got, err)
	}
}

func TestGzipLimit(t *testing.T) {
	c := codec.Gzip()
	packed := mustCompress(t, c, nil, make([]byte, 1000))
	for _, capacity := range []int{0, 4, 999, 1000, 1001, 1004, 5000} {
		for _, test := range []struct {
			max int
			ok  bool
		}{{-1, true}, {math.MaxInt, true}, {1001, true}, {1000, true}, {999, false}, {1, false}, {0, false}} {
			dst := append(make([]byte, 0, capacity), "kept"[:min(4, capacity)]...)
			got, err := c.Decompress(dst, packed, test.max)
			if (err == nil) != test.ok || !test.ok && !errors.Is(err, codec.ErrTooLarge) {
				t.Errorf("capacity %d, limit %d: %v", capacity, test.max, err)
			}
			want := len(dst)
			if test.ok {
				want += 1000
			}
			if len(got) != want {
				t.Errorf("capacity %d, limit %d: length %d, want %d", capacity, test.max, len(got), want)
			}
		}
	}
	if _, err := c.Decompress(nil, mustCompress(t, c, nil, nil), 0); err != nil {
		t.Errorf("an empty message does not fit a limit of 0: %v", err)
	}
}

// A bomb must be found while inflating: the output may not get near its size.
func TestGzipBombStopsAtTheLimit(t *testing.T) {
	const size, limit = 16 << 20, 64 << 10
	c := codec.Gzip()
	bomb := mustCompress(t, c, nil, make([]byte, size))
	dst := make([]byte, 0, 4*limit)
	for i := range dst[:cap(dst)] {
		dst[:cap(dst)][i] = 0xaa
	}
	if _, err := c.Decompress(dst, bomb, limit); !errors.Is(err, codec.ErrTooLarge) {
		t.Fatalf("a bomb of %d bytes gave %v, want ErrTooLarge", size, err)
	}
	if untouched := bytes.Count(dst[:cap(dst)], []byte{0xaa}); untouched < 3*limit-1 {
		t.Errorf("%d bytes were inflated for a limit of %d", cap(dst)-untouched, limit)
	}
}

// A message that inflates a thousandfold outgrows whatever it is given, and must not be copied again and again.
func TestGzipBombIsCopiedFewTimes(t *testing.T) {
	const size = 4 << 20
	c := codec.Gzip()
	bomb := mustCompress(t, c, nil, make([]byte, size))
	for _, tt := range []struct {
		max int
		ok  bool
	}{{-1, true}, {size, true}, {size - 1, false}} {
		allocated := allocatedBy(func() {
			if _, err := c.Decompress(nil, bomb, tt.max); (err == nil) != tt.ok {
				t.Errorf("limit %d: %v", tt.max, err)
			}
		})
		if allocated > 4*size { // the race detector has slices.Grow allocate more
			t.Errorf("limit %d: %d bytes were allocated for a message of %d", tt.max, allocated, size)
		}
	}
}

// allocatedBy is how many bytes do allocates, so far as nothing else does.
func allocatedBy(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// ISIZE is a claim of the peer: it may not decide how much memory is taken.
func TestGzipDistrustsTheClaimedSize(t *testing.T) {
	c := codec.Gzip()
	packed := mustCompress(t, c, nil, []byte("short"))
	binary.LittleEndian.PutUint32(packed[len(packed)-4:], math.MaxUint32)
	var err error
	allocated := allocatedBy(func() { _, err = c.Decompress(nil, packed, -1) })
	if err == nil {
		t.Fatal("a wrong ISIZE was accepted")
	}
	if allocated > 1<<20 {
		t.Errorf("%d bytes of input made Decompress allocate %d", len(packed), allocated)
	}
}

func TestGzipRefusesDamage(t *testing.T) {
	c := codec.Gzip()
	good := mustCompress(t, c, nil, []byte("some text, some text, some text"))
	damaged := map[string][]byte{
		"no bytes":           {},
		"no gzip":            []byte("plain text"),
		"garbage after it":   append(bytes.Clone(good), 'x'),
		"zeros after it":     append(bytes.Clone(good), make([]byte, 100)...),
		"second one cut off": append(bytes.Clone(good), good[:12]...),
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-5] ^= 1
	damaged["wrong checksum"] = flipped
	for name, in := range damaged {
		if b, err := c.Decompress([]byte("kept"), in, -1); err == nil || string(b) != "kept" {
			t.Errorf("%s: Decompress = %q, %v; want kept and an error", name, b, err)
		}
	}
	for n := range good {
		if _, err := c.Decompress(nil, good[:n], -1); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("first %d of %d bytes: %v, want unexpected EOF", n, len(good), err)
		}
	}
	if got, err := c.Decompress(nil, good, -1); err != nil || len(got) != 31 {
		t.Errorf("after all that, the undamaged message gives %d bytes, %v", len(got), err)
	}
}

func TestGzipMembersConcatenate(t *testing.T) {
	c := codec.Gzip()
	two := mustCompress(t, c, mustCompress(t, c, nil, []byte("one ")), []byte("two"))
	if got, err := c.Decompress(nil, two, 7); err != nil || string(got) != "one two" {
		t.Errorf("two members give %q, %v", got, err)
	}
	if _, err := c.Decompress(nil, two, 6); !errors.Is(err, codec.ErrTooLarge) {
		t.Errorf("the limit holds per member: %v", err)
	}
}

func TestGzipIsSafeForConcurrentUse(t *testing.T) {
	c := codec.Gzip()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			src := bytes.Repeat([]byte{byte(i)}, 1000+i)
			for range 20 {
				packed, err := c.Compress(nil, src)
				if err != nil {
					t.Error(err)
				}
				if got, err := c.Decompress(nil, packed, len(src)); err != nil || !bytes.Equal(got, src) {
					t.Errorf("goroutine %d: %d bytes came back as %d, %v", i, len(src), len(got), err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzGzipRoundTrip(f *testing.F) {
	f.Add([]byte(""), 6, 0)
	f.Add([]byte("hello"), -2, 5)
	f.Add(make([]byte, 1000), 9, 999)
	f.Fuzz(func(t *testing.T, src []byte, level, limit int) {
		c, err := codec.GzipLevel(level)
		if err != nil {
			return
		}
		got, err := c.Decompress(nil, mustCompress(t, c, nil, src), limit)
		if limit >= 0 && limit < len(src) {
			if !errors.Is(err, codec.ErrTooLarge) {
				t.Errorf("%d bytes with limit %d: %v", len(src), limit, err)
			}
			return
		}
		if err != nil || !bytes.Equal(got, src) {
			t.Errorf("%d bytes came back as %d, %v", len(src), len(got), err)
		}
	})
}

// FuzzGzipDecompress holds Decompress against compress/gzip read to the end.
func FuzzGzipDecompress(f *testing.F) {
	packed, err := codec.Gzip().Compress(nil, []byte("hello, hello, hello"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed, 19, uint8(0))
	f.Add(packed[:len(packed)-1], 18, uint8(19))
	f.Add(append(bytes.Clone(packed), packed...), -1, uint8(20))
	f.Add(append(bytes.Clone(packed), 0), 100, uint8(255))
	f.Fuzz(func(t *testing.T, src []byte, limit int, capacity uint8) {
		const most = 1 << 20
		limit = min(limit, most)
		if limit < 0 {
			limit = most
		}
		want, wantErr := inflateSlowly(src, limit)
		got, err := codec.Gzip().Decompress(make([]byte, 0, capacity), src, limit)
		switch {
		case len(want) > limit:
			if !errors.Is(err, codec.ErrTooLarge) {
				t.Errorf("more than %d bytes: %v", limit, err)
			}
		case (err == nil) != (wantErr == nil):
			t.Errorf("Decompress: %v; compress/gzip: %v", err, wantErr)
		case err == nil && !bytes.Equal(got, want):
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// inflateSlowly reads at most one byte more than limit.
func inflateSlowly(src []byte, limit int) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, int64(limit)+1))
}

func BenchmarkGzipCompress(b *testing.B) {
	c, src := codec.Gzip(), bytes.Repeat([]byte("gRPC over HTTP/2. "), 200)
	dst := make([]byte, 0, len(src))
	b.ReportAllocs()
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := c.Compress(dst, src); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGzipDecompress(b *testing.B) {
	c, src := codec.Gzip(), bytes.Repeat([]byte("gRPC over HTTP/2. "), 200)
	packed := mustCompress(b, c, nil, src)
	dst := make([]byte, 0, len(src))
	b.ReportAllocs()
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := c.Decompress(dst, packed, len(src)); err != nil {
			b.Fatal(err)
		}
	}
}

func mustCompress(t testing.TB, c codec.Compressor, dst, src []byte) []byte {
	t.Helper()
	b, err := c.Compress(dst, src)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// DecompressedSize returns the size that the message claims.
func TestGzipSaysTheSize(t *testing.T) {
	c := codec.Gzip().(codec.Sizer)
	for _, n := range []int{0, 1, 100_000} {
		packed := mustCompress(t, codec.Gzip(), nil, make([]byte, n))
		if got := c.DecompressedSize(packed); got != n {
			t.Errorf("%d bytes say that they are %d", n, got)
		}
	}
	if got := c.DecompressedSize([]byte{1, 2, 3}); got >= 0 {
		t.Errorf("three bytes say that they are %d", got)
	}
	if got := c.DecompressedSize([]byte{0xff, 0xff, 0xff, 0xff}); got < 0 {
		t.Errorf("the largest size is %d", got)
	}
}
