package codec

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
)

// Gzip returns the gzip compressor (RFC 1952) at the default level.
//
// Compress of no bytes yields an empty gzip member; Decompress of no bytes
// fails, since not even that is there. Bytes after the last member, a member
// cut short and a wrong checksum are errors. As RFC 1952 section 2.2 has it,
// several members inflate to the concatenation of their contents.
func Gzip() Compressor { return gzipCompressor{gzip.DefaultCompression} }

// GzipLevel returns Gzip at a level of compress/gzip: gzip.HuffmanOnly (-2),
// gzip.DefaultCompression (-1), or gzip.NoCompression (0) through gzip.BestSpeed
// (1) to gzip.BestCompression (9). It fails for any other number.
func GzipLevel(level int) (Compressor, error) {
	if level < gzip.HuffmanOnly || level > gzip.BestCompression {
		return nil, fmt.Errorf("codec gzip: level %d is not in [%d, %d]", level, gzip.HuffmanOnly, gzip.BestCompression)
	}
	return gzipCompressor{level}, nil
}

type gzipCompressor struct{ level int }

func (gzipCompressor) Name() string { return "gzip" }

// deflaters holds idle *deflater by level, that of HuffmanOnly first: a gzip
// writer cannot change its level, and is by far too big (about 1 MB at the
// default level) to be made per message or per compressor.
var deflaters [gzip.BestCompression - gzip.HuffmanOnly + 1]sync.Pool

// deflater is a gzip writer that appends to a slice it is lent.
type deflater struct {
	w   *gzip.Writer
	out []byte // the caller's; nil between uses, so that the pool pins nothing
}

// Write implements io.Writer for the gzip writer.
func (d *deflater) Write(p []byte) (int, error) {
	d.out = append(d.out, p...)
	return len(p), nil
}

func newDeflater(level int) (*deflater, error) {
	d := new(deflater)
	var err error
	d.w, err = gzip.NewWriterLevel(d, level)
	return d, err
}

func (g gzipCompressor) Compress(dst, src []byte) ([]byte, error) {
	pool := &deflaters[g.level-gzip.HuffmanOnly]
	d, _ := pool.Get().(*deflater)
	if d == nil {
		var err error
		if d, err = newDeflater(g.level); err != nil {
			return dst, fmt.Errorf("codec gzip: %w", err)
		}
	}
	out, err := d.deflate(dst, src)
	pool.Put(d)
	if err != nil {
		return dst, fmt.Errorf("codec gzip: %w", err)
	}
	return out, nil
}

func (d *deflater) deflate(dst, src []byte) ([]byte, error) {
	d.out = dst
	d.w.Reset(d)
	_, err := d.w.Write(src)
	if closeErr := d.w.Close(); err == nil {
		err = closeErr
	}
	out := d.out
	d.out = nil
	return out, err
}

// inflaters holds idle *inflater.
var inflaters sync.Pool

// inflater is a gzip reader of a slice it is lent.
type inflater struct {
	r    gzip.Reader
	src  bytes.Reader // an io.ByteReader: the gzip reader adds no buffer
	past [1]byte      // where to read when the output is full but may be complete
}

func (g gzipCompressor) Decompress(dst, src []byte, max int) ([]byte, error) {
	f, _ := inflaters.Get().(*inflater)
	if f == nil {
		f = new(inflater)
	}
	f.src.Reset(src)
	out, err := f.inflate(g.reserve(dst, src, max), max)
	f.src.Reset(nil)
	f.r.Header = gzip.Header{} // its strings are the peer's
	inflaters.Put(f)
	if err != nil {
		return dst, fmt.Errorf("codec gzip: %w", err)
	}
	return out, nil
}

// inflate appends what f.src holds to dst.
func (f *inflater) inflate(dst []byte, max int) ([]byte, error) {
	if err := f.r.Reset(&f.src); err != nil {
		return nil, truncated(err)
	}
	for got := 0; ; {
		free := dst[len(dst):cap(dst)]
		full := len(free) == 0
		if full {
			free = f.past[:]
		}
		if max >= 0 && len(free)-1 > max-got {
			free = free[:max-got+1] // one more tells "at the limit" from "past it"
		}
		n, err := f.r.Read(free)
		if got += n; max >= 0 && got > max {
			return nil, errTooLarge(max)
		}
		if full {
			dst = append(widen(dst, n, got, max), free[:n]...)
		} else {
			dst = dst[:len(dst)+n]
		}
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// widen makes room for n bytes more in dst, which is full, and for as much again as there are: append
// grows large slices by a quarter only, so a message that inflates a thousandfold would be copied, in
// new memory, five times over. got of max bytes have come, those n included.
func widen(dst []byte, n, got, max int) []byte {
	if n == 0 {
		return dst
	}
	room := len(dst)
	if max >= 0 {
		room = min(room, max-got+1) // the one more is where to find the end
	}
	return slices.Grow(dst, n+room)
}

// truncated names the end of input inside a gzip header what it is here.
func truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// maxTrust bounds the memory reserved on the word of a peer, as a multiple of
// what it has sent. Deflate itself can reach about 1032.
const maxTrust = 16

// DecompressedSize implements Sizer: the last four bytes of a member, ISIZE (RFC
// 1952 section 2.3.1).
func (gzipCompressor) DecompressedSize(src []byte) int {
	if len(src) < 4 {
		return -1
	}
	return int(min(binary.LittleEndian.Uint32(src[len(src)-4:]), math.MaxInt32))
}

// reserve grows dst for the size that src claims to inflate to. The claim may be a
// lie, so it only decides how often inflate has to grow dst.
func (g gzipCompressor) reserve(dst, src []byte, max int) []byte {
	claim := min(g.DecompressedSize(src), maxTrust*len(src))
	if max >= 0 {
		claim = min(claim, max)
	}
	return slices.Grow(dst, claim+1) // the one more is where to find the end
}
