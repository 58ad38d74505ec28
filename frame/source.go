package frame

import (
	"io"
	"sync"
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

var readBuffers = sync.Pool{New: func() any { return new([readBuffer]byte) }}

// source is a buffered reader that takes its buffer when it first needs one
// and can give it back whenever nothing is buffered.
type source struct {
	r    io.Reader
	size int
	buf  []byte
	i, j int   // buf[i:j] is buffered
	err  error // to be reported once the buffered octets are used up
}

func (s *source) buffered() int { return s.j - s.i }

// window returns what is buffered, without reading.
func (s *source) window() []byte { return s.buf[s.i:s.j] }

// skip drops n buffered octets.
func (s *source) skip(n int) { s.i += n }

// acquire gives the source a buffer.
func (s *source) acquire() {
	if s.size == readBuffer {
		s.buf = readBuffers.Get().(*[readBuffer]byte)[:]
		return
	}
	s.buf = make([]byte, s.size)
}

// release gives the buffer back, dropping what it holds.
func (s *source) release() {
	if len(s.buf) == readBuffer {
		readBuffers.Put((*[readBuffer]byte)(s.buf))
	}
	s.buf, s.i, s.j = nil, 0, 0
}

// makeRoom ensures that the buffer can take at least one octet more.
func (s *source) makeRoom() {
	switch {
	case s.buf == nil:
		s.acquire()
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
			s.err = err
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

// Read takes what is buffered first, and then reads once.
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

// readFull fills p, past the buffer where that saves a large copy.
func (s *source) readFull(p []byte) error {
	for len(p) > 0 {
		if s.buffered() == 0 && len(p) >= directRead && s.err == nil {
			_, err := io.ReadFull(s.r, p)
			return err
		}
		n, err := s.Read(p)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
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
