package compressors_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/codec/compressors"
)

var all = []codec.Compressor{
	compressors.Brotli(), compressors.Deflate(), compressors.Snappy(), compressors.Zstd(),
}

// each runs f for every compressor.
func each(t *testing.T, f func(t *testing.T, c codec.Compressor)) {
	for _, c := range all {
		t.Run(c.Name(), func(t *testing.T) { f(t, c) })
	}
}

// messages of the sizes at which something happens inside, compressible or not.
func messages() map[string][]byte {
	noise := make([]byte, 300<<10)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(noise) // never fails
	return map[string][]byte{
		"empty": {}, "byte": {7}, "text": []byte(strings.Repeat("the quick brown fox ", 400)),
		"zeros": make([]byte, 1<<20), "noise": noise, "block": noise[:64<<10],
	}
}

func pack(t testing.TB, c codec.Compressor, src []byte) []byte {
	t.Helper()
	out, err := c.Compress(nil, src)
	if err != nil {
		t.Fatalf("Compress: %v", err)
	}
	return out
}

func TestWhatIsCompressedInflates(t *testing.T) {
	each(t, func(t *testing.T, c codec.Compressor) {
		for name, src := range messages() {
			packed, err := c.Compress([]byte("front"), src)
			if err != nil || !bytes.HasPrefix(packed, []byte("front")) {
				t.Fatalf("%s: Compress does not append: %v", name, err)
			}
			packed = packed[len("front"):]
			for _, max := range []int{-1, len(src), len(src) + 1} {
				got, err := c.Decompress([]byte("front"), packed, max)
				if err != nil || string(got) != "front"+string(src) {
					t.Errorf("%s, limit %d: %d bytes, %v; want front and %d bytes", name, max, len(got), err, len(src))
				}
			}
		}
	})
}

// A limit is one of memory: what passes it is not made.
func TestLimitHoldsWhileInflating(t *testing.T) {
	each(t, func(t *testing.T, c codec.Compressor) {
		for name, src := range messages() {
			packed := pack(t, c, src)
			for _, max := range []int{0, 1, len(src) / 2, len(src) - 1} {
				if max < 0 || max >= len(src) {
					continue
				}
				got, err := c.Decompress([]byte("front"), packed, max)
				if !errors.Is(err, codec.ErrTooLarge) || string(got) != "front" {
					t.Errorf("%s, limit %d: %d bytes, %v; want ErrTooLarge and what was there", name, max, len(got), err)
				}
			}
		}
	})
}

// Who wants no limit may say so with the greatest int.
func TestGreatestLimit(t *testing.T) {
	each(t, func(t *testing.T, c codec.Compressor) {
		src := make([]byte, 100<<10)
		got, err := c.Decompress(nil, pack(t, c, src), math.MaxInt)
		if err != nil || !bytes.Equal(got, src) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

func TestBombCostsNoMoreThanTheLimit(t *testing.T) {
	const limit = 64 << 10
	window := map[string]uint64{"br": 4 << 20} // that which its writer asks for
	each(t, func(t *testing.T, c codec.Compressor) {
		bomb := pack(t, c, make([]byte, 8<<20))
		const rounds = 10
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			if _, err := c.Decompress(nil, bomb, limit); !errors.Is(err, codec.ErrTooLarge) {
				t.Fatalf("%v", err)
			}
		}
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) / rounds; n > 16*limit+window[c.Name()] {
			t.Errorf("%d bytes to refuse a bomb of %d", n, len(bomb))
		}
	})
}

// A message that inflates a thousandfold must not be copied again and again.
func TestBombIsCopiedFewTimes(t *testing.T) {
	const size = 4 << 20
	window := map[string]uint64{"br": 4 << 20, "zstd": 8 << 20} // and what else their readers keep
	each(t, func(t *testing.T, c codec.Compressor) {
		bomb := pack(t, c, make([]byte, size))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := c.Decompress(nil, bomb, size)
		runtime.ReadMemStats(&after)
		if err != nil || len(got) != size {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 4*size+window[c.Name()] { // the race detector has slices.Grow allocate more
			t.Errorf("%d bytes were allocated for a message of %d", n, size)
		}
	})
}

// Whole or an error: what was cut never passes for a shorter message.
func TestCutMessagesFail(t *testing.T) {
	each(t, func(t *testing.T, c codec.Compressor) {
		src := []byte(strings.Repeat("nothing is lost ", 20))
		packed := pack(t, c, src)
		for n := range len(packed) {
			got, err := c.Decompress(nil, packed[:n], -1)
			isEmpty := len(got) == 0 && (c.Name() == "snappy" || c.Name() == "zstd")
			if err == nil && !isEmpty {
				t.Errorf("%d of %d bytes inflate to %q", n, len(packed), got)
			}
		}
	})
}

func TestGarbageFails(t *testing.T) {
	each(t, func(t *testing.T, c codec.Compressor) {
		packed := pack(t, c, []byte("a message"))
		for name, src := range map[string][]byte{
			"text":     []byte("this is not compressed at all, is it?"),
			"ones":     bytes.Repeat([]byte{0xff}, 50),
			"trailing": append(bytes.Clone(packed), "xyz"...),
		} {
			if got, err := c.Decompress([]byte("kept"), src, 1000); err == nil || string(got) != "kept" {
				t.Errorf("%s: %q, %v; want an error and what was there", name, got, err)
			}
		}
		// A failure leaves nothing behind for the next message.
		if got, err := c.Decompress(nil, packed, -1); err != nil || string(got) != "a message" {
			t.Errorf("after garbage: %q, %v", got, err)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	each(t, func(t *testing.T, c codec.Compressor) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				src := bytes.Repeat([]byte{byte(i)}, 1000*(i+1))
				for range 20 {
					packed, err := c.Compress(nil, src)
					if err != nil {
						t.Error(err)
						return
					}
					if got, err := c.Decompress(nil, packed, len(src)); err != nil || !bytes.Equal(got, src) {
						t.Errorf("%d bytes of another message, %v", len(got), err)
					}
				}
			})
		}
		wg.Wait()
	})
}

// A claim is not memory: nine bytes announce a terabyte, or an 8 GiB window.
func TestZstdClaimsAreNotBelieved(t *testing.T) {
	frame := binary.LittleEndian.AppendUint64([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0}, 1<<40)
	for _, max := range []int{-1, 1000} {
		if _, err := compressors.Zstd().Decompress(nil, frame, max); !errors.Is(err, codec.ErrTooLarge) {
			t.Errorf("a terabyte, limit %d: %v", max, err)
		}
	}
	window := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xb8, 0x01, 0x00, 0x00}
	if _, err := compressors.Zstd().Decompress(nil, window, -1); err == nil {
		t.Error("a window of 8 GiB is no error (RFC 9659 section 3 allows 8 MiB)")
	}
}

// A writer of streams does not know the size when it writes the header.
func TestZstdOfAStreamInflates(t *testing.T) {
	for name, src := range messages() {
		for _, frames := range []int{1, 3} {
			var packed bytes.Buffer
			for range frames {
				w, err := zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1))
				if err != nil {
					t.Fatal(err)
				}
				for chunk := range slices.Chunk(src, 50_000) { // so that it gets no chance to know it all
					if _, err := w.Write(chunk); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
			}
			want := bytes.Repeat(src, frames)
			for _, max := range []int{-1, len(want)} {
				got, err := compressors.Zstd().Decompress([]byte("front"), packed.Bytes(), max)
				if err != nil || string(got) != "front"+string(want) {
					t.Errorf("%d × %s, limit %d: %d bytes, %v", frames, name, max, len(got), err)
				}
			}
			if len(want) == 0 {
				continue
			}
			_, err := compressors.Zstd().Decompress(nil, packed.Bytes(), len(want)-1)
			if !errors.Is(err, codec.ErrTooLarge) {
				t.Errorf("%d × %s past the limit: %v", frames, name, err)
			}
		}
	}
}

// HTTP's deflate is zlib (RFC 9110 section 8.4.1.2).
func TestDeflateIsZlib(t *testing.T) {
	packed := pack(t, compressors.Deflate(), []byte("x"))
	if !strings.HasPrefix(hex.EncodeToString(packed), "789c") {
		t.Errorf("% x has no zlib header", packed)
	}
	var bare bytes.Buffer
	w, err := flate.NewWriter(&bare, -1)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := compressors.Deflate().Decompress(nil, bare.Bytes(), -1); err == nil {
		t.Error("bare deflate data passes")
	}
}

// Some writers write nothing where there is nothing.
func TestNoBytesAreAnEmptyMessageWhereWritersHaveIt(t *testing.T) {
	each(t, func(t *testing.T, c codec.Compressor) {
		want := c.Name() == "snappy" || c.Name() == "zstd"
		if got, err := c.Decompress(nil, nil, 10); (err == nil) != want || len(got) != 0 {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestNames(t *testing.T) {
	if got := codec.NewCompressors(all...).AcceptEncoding(); got != "identity,br,deflate,snappy,zstd" {
		t.Errorf("grpc-accept-encoding %q", got)
	}
}

func FuzzDecompress(f *testing.F) {
	for i, c := range all {
		for _, src := range []string{"", "seed", strings.Repeat("seed ", 1000)} {
			f.Add(uint8(i), pack(f, c, []byte(src)))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		const limit = 1 << 16
		c := all[int(which)%len(all)]
		got, err := c.Decompress(nil, data, limit)
		if err != nil {
			return
		}
		if len(got) > limit {
			t.Fatalf("%d bytes pass a limit of %d", len(got), limit)
		}
		if again, err := c.Decompress(nil, pack(t, c, got), limit); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("round trip of %d bytes: %d, %v", len(got), len(again), err)
		}
	})
}

func TestZstdSaysTheSize(t *testing.T) {
	c := compressors.Zstd()
	packed, err := c.Compress(nil, make([]byte, 100_000))
	if err != nil {
		t.Fatal(err)
	}
	s := c.(codec.Sizer)
	if got := s.DecompressedSize(packed); got != 100_000 {
		t.Errorf("100000 bytes say that they are %d", got)
	}
	if got := s.DecompressedSize(packed[:2]); got >= 0 {
		t.Errorf("two bytes say that they are %d", got)
	}
}
