package frame

import (
	"io"
	"net"
	"slices"

	"github.com/cqrpc/cqrpc/internal/mem"
)

// link is a payload that goes out after buf[:at].
type link struct {
	at      int
	payload []byte
	owner   *mem.Buffer
}

// Flush writes all that is collected to dst and forgets it, whether or not
// writing succeeds. It makes one Write, or if payloads are chained one vectored
// write where dst is a TCP or Unix connection; others, such as TLS, get them in
// Writes of some multiple of 16 KiB, but for the last.
func (w *Writer) Flush(dst io.Writer) error {
	if w.Len() == 0 {
		return nil
	}
	err := w.write(dst)
	w.reset()
	return err
}

// TryFlush is Flush by a function that writes what can be written at once. It reports whether
// nothing is left; what is left stays collected, for Flush. Chained payloads have to be copied for
// that: if there are any, and more than most octets in all, nothing is written.
func (w *Writer) TryFlush(write func(p []byte) (n int, err error), most int) (done bool, err error) {
	switch {
	case w.Len() == 0:
		return true, nil
	case len(w.chain) > 0 && w.Len() > most:
		return false, nil
	}
	w.coalesce()
	n, err := write(w.buf)
	if err == nil && n < len(w.buf) {
		w.buf = w.buf[:copy(w.buf, w.buf[n:])]
		return false, nil
	}
	w.reset()
	return true, err
}

func (w *Writer) write(dst io.Writer) error {
	switch {
	case len(w.chain) == 0:
	case isVectored(dst):
		return w.writeVector(dst)
	default:
		return w.writePieces(dst)
	}
	n, err := dst.Write(w.buf)
	if err == nil && n < len(w.buf) {
		err = io.ErrShortWrite
	}
	return err
}

// isVectored reports whether net.Buffers can write to dst in one system call.
func isVectored(dst io.Writer) bool {
	switch dst.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// writeVector writes buf and chain interleaved. The vector that WriteTo
// consumes is a field because a local one would be allocated every time.
func (w *Writer) writeVector(dst io.Writer) error {
	w.vector = w.vector[:0]
	from := 0
	for i := range w.chain {
		l := &w.chain[i]
		w.vector = append(w.vector, w.buf[from:l.at], l.payload)
		from = l.at
	}
	if from < len(w.buf) {
		w.vector = append(w.vector, w.buf[from:])
	}
	w.left = w.vector
	_, err := w.left.WriteTo(dst)
	clear(w.vector)
	w.left = nil
	return err
}

// writePieces writes buf and chain, put together again.
func (w *Writer) writePieces(dst io.Writer) error {
	p := pieces.Get().(*piece)
	from := 0
	for i := range w.chain {
		l := &w.chain[i]
		p.add(dst, w.buf[from:l.at])
		p.add(dst, l.payload)
		from = l.at
	}
	p.add(dst, w.buf[from:])
	p.write(dst, p.buf[:p.n])
	err := p.err
	p.n, p.err = 0, nil
	pieces.Put(p)
	return err
}

// coalesce moves the chained payloads into buf, in place from the back.
func (w *Writer) coalesce() {
	if len(w.chain) == 0 {
		return
	}
	from := len(w.buf)
	w.buf = slices.Grow(w.buf, w.chained)[:len(w.buf)+w.chained]
	to := len(w.buf)
	for i := len(w.chain) - 1; i >= 0; i-- {
		l := &w.chain[i]
		to -= from - l.at
		copy(w.buf[to:], w.buf[l.at:from])
		from = l.at
		to -= len(l.payload)
		copy(w.buf[to:], l.payload)
	}
	w.unchain()
}

// unchain forgets the chained payloads.
func (w *Writer) unchain() {
	if w.draft == nil {
		return
	}
	for i := range w.chain {
		w.chain[i].owner.Free()
	}
	clear(w.chain)
	w.chain, w.chained = w.chain[:0], 0
}
