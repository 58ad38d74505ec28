package compressors

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/cqrpc/cqrpc/codec"
)

// Zstd returns the compressor "zstd" (RFC 8878) at the library's default level,
// about level 3 of the zstd program. A message of several frames is the
// concatenation of their contents, and no bytes at all are an empty message.
// Frames that need a window of more than 8 MiB are refused (RFC 9659).
func Zstd() codec.Compressor {
	// The options are constants, so that no error is possible.
	w, err := zstd.NewWriter(nil, zstd.WithZeroFrames(true), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic("BUG: compressors: " + err.Error())
	}
	r, err := zstd.NewReader(nil, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(math.MaxInt64), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic("BUG: compressors: " + err.Error())
	}
	return &zstandard{w: w, r: r}
}

// maxWindow is what RFC 9659 section 3 allows, in bytes.
const maxWindow = 8 << 20

type zstandard struct {
	w       *zstd.Encoder
	r       *zstd.Decoder
	scratch sync.Pool // of *[]byte
}

func (*zstandard) Name() string { return "zstd" }

func (z *zstandard) Compress(dst, src []byte) ([]byte, error) { return z.w.EncodeAll(src, dst), nil }

// DecompressedSize implements codec.Sizer.
func (*zstandard) DecompressedSize(src []byte) int {
	var h zstd.Header
	if err := h.Decode(src); err != nil || !h.HasFCS {
		return -1
	}
	return int(min(h.FrameContentSize, math.MaxInt32))
}

// Decompress decodes a whole message at once, which takes no window besides the
// message itself: a peer can ask for the window of a stream in nine bytes.
func (z *zstandard) Decompress(dst, src []byte, max int) ([]byte, error) {
	limit := possible(src)
	if max >= 0 {
		limit = min(limit, uint64(max))
	}
	var h zstd.Header
	if err := h.Decode(src); err == nil && h.HasFCS {
		size := h.FrameContentSize
		if size > limit {
			return dst, fmt.Errorf("compressors zstd: %w", errTooLarge(int(limit)))
		}
		if size <= uint64(maxTrust*len(src)) {
			out, err := z.decode(dst, src, int(size), 0)
			if err == nil && len(out)-len(dst) == int(size) {
				return out, nil
			}
		} // else, and if it was not the only frame, the slow way finds out
	}
	buf, _ := z.scratch.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	out, err := z.grow(buf, src, limit)
	if err == nil {
		dst = append(dst, out...)
	} else {
		err = fmt.Errorf("compressors zstd: %w", err)
	}
	if cap(*buf) <= maxScratch {
		z.scratch.Put(buf)
	}
	return dst, err
}

// grow guesses the size, and begins again with more room if that was too small.
// The result is in buf.
func (z *zstandard) grow(buf *[]byte, src []byte, limit uint64) ([]byte, error) {
	for room := uint64(firstGuess*len(src) + minRead); ; room *= growth {
		room = min(room, limit)
		out, err := z.decode((*buf)[:0], src, int(room), maxBlock)
		if cap(out) > cap(*buf) {
			*buf = out[:0]
		}
		// A block finds room for its content, so that it fails for its own
		// reasons, unless those before it have already passed the guess.
		isShort := errors.Is(err, zstd.ErrDecoderSizeExceeded) || uint64(len(out)) > room
		switch {
		case isShort && room == limit:
			return nil, errTooLarge(int(limit))
		case !isShort:
			return out, err
		}
	}
}

// decode appends the content of src to dst, if that is at most room bytes. On
// error the result is what was decoded; up to spare bytes of it may be past room.
func (z *zstandard) decode(dst, src []byte, room, spare int) ([]byte, error) {
	n := len(dst) + room + spare
	return z.r.DecodeAll(src, slices.Grow(dst, room+spare)[:len(dst):n])
}

const (
	// growth is by how much the next guess is larger.
	growth = 4
	// maxTrust bounds the memory reserved on the word of a peer, as a multiple
	// of what it has sent.
	maxTrust = 16
	// maxScratch is the largest buffer that is kept, in bytes.
	maxScratch = 1 << 20
	// minBlock and maxBlock are what a block takes at least and holds at most,
	// in bytes (RFC 8878 sections 3.1.1.2 and 3.1.1.2.4).
	minBlock, maxBlock = 4, 128 << 10
)

// possible is the most that src can inflate to, whatever it says.
func possible(src []byte) uint64 {
	return min((uint64(len(src))/minBlock+1)*maxBlock, math.MaxInt/2)
}
