package frame

import (
	"io"
	"sync"
)

const (
	// pieceSize is how many octets of small parts are put together for one Write.
	pieceSize = 64 << 10

	// recordSize is the most that one record of TLS carries (RFC 8446 section 5.1):
	// pieces are multiples of it, so that none is wasted on the few octets of a
	// frame header.
	recordSize = 16 << 10
)

// piece puts small parts together, and writes large ones from where they lie.
type piece struct {
	buf [pieceSize]byte
	n   int
	err error // the first
}

var pieces = sync.Pool{New: func() any { return new(piece) }}

// add writes part, now or later.
func (p *piece) add(dst io.Writer, part []byte) {
	for len(part) > 0 {
		n := len(part) &^ (recordSize - 1)
		if p.n == 0 && n > 0 {
			p.write(dst, part[:n])
			part = part[n:]
			continue
		}
		n = copy(p.buf[p.n:p.end(len(part))], part)
		p.n += n
		part = part[n:]
		if p.n%recordSize == 0 && (p.n == pieceSize || len(part) >= recordSize) {
			p.write(dst, p.buf[:p.n])
			p.n = 0
		}
	}
}

// end is how far to fill buf with a part of n octets: to the end of a record if what
// is left of it then can be written from where it lies.
func (p *piece) end(n int) int {
	to := (p.n + recordSize - 1) &^ (recordSize - 1)
	if n-(to-p.n) >= recordSize {
		return to
	}
	return pieceSize
}

// write writes b, unless a write before has failed.
func (p *piece) write(dst io.Writer, b []byte) {
	if p.err != nil || len(b) == 0 {
		return
	}
	n, err := dst.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	p.err = err
}
