package compressors

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/cqrpc/cqrpc/codec"
)

// Snappy returns the compressor "snappy": the framing format of Snappy, with
// checksums, not its raw block format. No bytes at all are an empty message.
func Snappy() codec.Compressor { return new(snappy) }

// snappyBlock is the largest block the framing format allows, in bytes.
const snappyBlock = 64 << 10

type snappy struct {
	writers sync.Pool // of *snappyWriter
	readers sync.Pool // of *snappyReader
}

type snappyWriter struct {
	*s2.Writer
	to appender
}

type snappyReader struct {
	*s2.Reader
	src bytes.Reader
}

func (*snappy) Name() string { return "snappy" }

func (s *snappy) Compress(dst, src []byte) ([]byte, error) {
	w, _ := s.writers.Get().(*snappyWriter)
	if w == nil {
		w = new(snappyWriter)
		w.Writer = s2.NewWriter(&w.to,
			s2.WriterSnappyCompat(), s2.WriterBlockSize(snappyBlock), s2.WriterConcurrency(1))
	}
	w.to.out = dst
	w.Reset(&w.to)
	_, err := w.Write(src)
	err = errors.Join(err, w.Close())
	out := w.to.out
	w.to.out = nil
	s.writers.Put(w)
	if err != nil {
		return dst, fmt.Errorf("compressors snappy: %w", err)
	}
	return out, nil
}

func (s *snappy) Decompress(dst, src []byte, max int) ([]byte, error) {
	r, _ := s.readers.Get().(*snappyReader)
	if r == nil {
		r = new(snappyReader)
		r.Reader = s2.NewReader(nil, s2.ReaderMaxBlockSize(snappyBlock))
	}
	r.src.Reset(src)
	r.Reset(&r.src)
	out, err := inflate(dst, r.Reader, len(src), max)
	r.src.Reset(nil)
	s.readers.Put(r)
	if err != nil {
		return dst, fmt.Errorf("compressors snappy: %w", err)
	}
	return out, nil
}
