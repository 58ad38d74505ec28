package frame

import (
	"errors"
	"io"
	"sync"

	"golang.org/x/net/http2"
)

const (
	// readBuffer is the default size of a source's buffer in octets: two
	// frames of the default maximum size, less two frame headers.
	readBuffer = 32 << 10

	// minReadBuffer holds the client preface and every control frame.
	minReadBuffer = 64

	// directRead is how many octets of a payload must be missing for them to
	// be read past the buffer: below it, one more copy is cheaper than
	// the system call that fetches the next frame header separately.
	directRead = 4 << 10

	// maxEmptyReads is how often a reader may return neither data nor error.
	maxEmptyReads = 100
)

// PatientReader is a reader that can wait for octets without a buffer to read them
// into. A [Reader] of it holds no memory in [Reader.Await].
type PatientReader interface {
	io.Reader

	// ReadInto reads once, as Read does, into what room.Take returns. If there is
	// nothing to read it calls room.Drop and waits. It may stop waiting without an
	// error, and then returns 0 and nil.
	ReadInto(room Room) (n int, err error)
}

// Room is memory that is taken only when it is needed. It is an alias, so that a
// PatientReader need not import this package.
type Room = interface {
	// Take returns where to read to, until Drop is called.
	Take() []byte
	// Drop gives up what Take has returned, if anything.
	Drop()
}

// scratch is what a Reader needs while it reads and not while it waits. In the pool
// it holds no strings of the peer.
type scratch struct {
	buf      []byte
	fields   []Field // backing of Headers.Fields
	settings []http2.Setting
	debug    []byte
}

var scratches = sync.Pool{New: func() any { return &scratch{buf: make([]byte, readBuffer)} }}

// source is a buffered reader that takes its scratch when it first needs one
// and can give it back whenever nothing is buffered.
type source struct {
	r       io.Reader
	patient PatientReader // r, if it is one
	size    int
	*scratch
	i, j int   // buf[i:j] is buffered
	err  error // to be reported once the buffered octets are used up
}

func (s *source) buffered() int { return s.j - s.i }

// window returns what is buffered, without reading.
func (s *source) window() []byte {
	if s.scratch == nil {
		return nil
	}
	return s.buf[s.i:s.j]
}

// skip drops n buffered octets.
func (s *source) skip(n int) { s.i += n }

// Take gives the source a scratch, if it has none, and returns its buffer.
func (s *source) Take() []byte {
	switch {
	case s.scratch != nil:
	case s.size == readBuffer:
		s.scratch = scratches.Get().(*scratch)
	default:
		s.scratch = &scratch{buf: make([]byte, s.size)}
	}
	return s.buf
}

// Drop gives the scratch back, and drops what it holds.
func (s *source) Drop() {
	if s.scratch != nil && s.size == readBuffer {
		scratches.Put(s.scratch)
	}
	s.scratch, s.i, s.j = nil, 0, 0
}

// await waits until something is buffered or s.err is set. It reports false if a patient
// reader has stopped waiting before. While a patient reader waits nothing is held.
func (s *source) await() bool {
	if s.patient == nil {
		_ = s.fill()
		return true
	}
	s.i, s.j = 0, 0
	s.j, s.err = s.patient.ReadInto(s)
	return s.j > 0 || s.err != nil
}

// makeRoom ensures that the buffer can take at least one octet more.
func (s *source) makeRoom() {
	switch {
	case s.scratch == nil:
		s.Take()
	case s.i == s.j:
		s.i, s.j = 0, 0
	case s.j == len(s.buf):
		s.j = copy(s.buf, s.buf[s.i:s.j])
		s.i = 0
	}
}

// fill reads once, buffering at least one octet or returning an error.
func (s *source) fill() error {
	if s.err != nil {
		return s.err
	}
	s.makeRoom()
	for range maxEmptyReads {
		n, err := s.r.Read(s.buf[s.j:])
		s.j += n
		if n > 0 {
			s.err = err
			return nil
		}
		if err != nil {
			if !errors.Is(err, ErrInterrupted) {
				s.err = err
			}
			return err
		}
	}
	return io.ErrNoProgress
}

// peek returns the next n octets, n at most the buffer's size, without
// dropping them; they stay valid until the next read. If fewer arrive, it
// returns those with the error.
func (s *source) peek(n int) ([]byte, error) {
	for s.buffered() < n {
		if err := s.fill(); err != nil {
			return s.window(), err
		}
	}
	return s.buf[s.i : s.i+n], nil
}

// chunk returns the next 1 to n octets: all n if the buffer can hold them, so
// that a header block is usually decoded in one piece.
func (s *source) chunk(n int) ([]byte, error) {
	if n <= s.size {
		return s.peek(n)
	}
	if s.buffered() == 0 {
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
	w := s.window()
	return w[:min(n, len(w))], nil
}

// Read serves the http2.Framer, which reads frame headers through it.
func (s *source) Read(p []byte) (int, error) {
	if s.buffered() == 0 {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.window())
	s.skip(n)
	return n, nil
}

// readFull fills p, bypassing the buffer where that saves a large copy. It returns how
// many octets it has read, all of p if there is no error.
func (s *source) readFull(p []byte) (got int, err error) {
	for got < len(p) {
		if s.buffered() == 0 && len(p)-got >= directRead && s.err == nil {
			n, err := io.ReadFull(s.r, p[got:])
			return got + n, err
		}
		n, err := s.Read(p[got:])
		if err != nil {
			return got, err
		}
		got += n
	}
	return got, nil
}

// discard drops n octets, buffered or not, using no memory beyond the buffer.
func (s *source) discard(n int) error {
	for n > 0 {
		if s.buffered() == 0 {
			if err := s.fill(); err != nil {
				return err
			}
		}
		k := min(n, s.buffered())
		s.skip(k)
		n -= k
	}
	return nil
}
