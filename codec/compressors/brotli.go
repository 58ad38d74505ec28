package compressors

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/andybalholm/brotli"

	"github.com/cqrpc/cqrpc/codec"
)

// Brotli returns the compressor "br" (RFC 7932) at the library's default level,
// 6 of 11. A message may ask its reader for a window of up to 16 MiB, beyond the
// limit of Decompress.
func Brotli() codec.Compressor { return new(brotliCompressor) }

type brotliCompressor struct {
	writers sync.Pool // of *brotliWriter
	readers sync.Pool // of *brotliReader
}

type brotliWriter struct {
	*brotli.Writer
	to appender
}

type brotliReader struct {
	brotli.Reader
	src bytes.Reader
}

func (*brotliCompressor) Name() string { return "br" }

func (b *brotliCompressor) Compress(dst, src []byte) ([]byte, error) {
	w, _ := b.writers.Get().(*brotliWriter)
	if w == nil {
		w = new(brotliWriter)
		w.Writer = brotli.NewWriter(&w.to)
	}
	w.to.out = dst
	w.Reset(&w.to)
	_, err := w.Write(src)
	err = errors.Join(err, w.Close())
	out := w.to.out
	w.to.out = nil
	b.writers.Put(w)
	if err != nil {
		return dst, fmt.Errorf("compressors br: %w", err)
	}
	return out, nil
}

func (b *brotliCompressor) Decompress(dst, src []byte, max int) ([]byte, error) {
	r, _ := b.readers.Get().(*brotliReader)
	if r == nil {
		r = new(brotliReader)
	}
	r.src.Reset(src)
	err := r.Reset(&r.src)
	out := dst
	if err == nil {
		out, err = inflate(dst, &r.Reader, len(src), max)
	}
	if err == nil && r.src.Len() > 0 {
		err = errTrailing
	}
	r.src.Reset(nil)
	b.readers.Put(r)
	if err != nil {
		return dst, fmt.Errorf("compressors br: %w", err)
	}
	return out, nil
}
