package compressors

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cqrpc/cqrpc/codec"
)

// Deflate returns the compressor "deflate" at the default level: the zlib format
// (RFC 1950), as in HTTP, not bare deflate data. It has no more to offer than
// gzip, but there are peers that have nothing else. A server of C-core that was
// told to deflate its responses does so for every client, also for one that does
// not accept it: then calls end with INTERNAL.
func Deflate() codec.Compressor { return new(deflate) }

type deflate struct {
	writers sync.Pool // of *zlibWriter
	readers sync.Pool // of *zlibReader
}

type zlibWriter struct {
	*zlib.Writer
	to appender
}

type zlibReader struct {
	io.Reader // nil before the first message; a zlib.Resetter
	src       bytes.Reader
}

func (*deflate) Name() string { return "deflate" }

func (d *deflate) Compress(dst, src []byte) ([]byte, error) {
	w, _ := d.writers.Get().(*zlibWriter)
	if w == nil {
		w = new(zlibWriter)
		w.Writer = zlib.NewWriter(&w.to)
	}
	w.to.out = dst
	w.Reset(&w.to)
	_, err := w.Write(src)
	err = errors.Join(err, w.Close())
	out := w.to.out
	w.to.out = nil
	d.writers.Put(w)
	if err != nil {
		return dst, fmt.Errorf("compressors deflate: %w", err)
	}
	return out, nil
}

func (d *deflate) Decompress(dst, src []byte, max int) ([]byte, error) {
	r, _ := d.readers.Get().(*zlibReader)
	if r == nil {
		r = new(zlibReader)
	}
	r.src.Reset(src)
	out, err := r.inflate(dst, max)
	r.src.Reset(nil)
	d.readers.Put(r)
	if err != nil {
		return dst, fmt.Errorf("compressors deflate: %w", err)
	}
	return out, nil
}

func (r *zlibReader) inflate(dst []byte, max int) ([]byte, error) {
	packed := r.src.Len()
	if err := r.begin(); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	out, err := inflate(dst, r.Reader, packed, max)
	if err == nil && r.src.Len() > 0 { // src is an io.ByteReader: nothing was read in advance
		err = errTrailing
	}
	return out, err
}

// begin reads the header.
func (r *zlibReader) begin() error {
	if z, ok := r.Reader.(zlib.Resetter); ok {
		return z.Reset(&r.src, nil)
	}
	z, err := zlib.NewReader(&r.src)
	if err == nil {
		r.Reader = z
	}
	return err
}

var errTrailing = errors.New("bytes after the end of the message")
