//go:build unix

package transport

import (
	"io"
	"net"

	"github.com/cqrpc/cqrpc/frame"
)

// secureSocket is a TLS connection that was made here, as reader and flusher use it:
// a *tls.Conn and the socket below it. One goroutine at a time reads, and one writes.
type secureSocket struct {
	net.Conn // the *tls.Conn

	below *cipherSocket

	isDrained bool // reader only: all that was fetched has been read
}

var (
	_ frame.PatientReader = (*secureSocket)(nil)
	_ lateSocket          = (*secureSocket)(nil)
)

// ReadInto implements frame.PatientReader. What comes is decrypted when the wait is
// over, so a reader that rests needs no more stack than on a plain socket.
func (s *secureSocket) ReadInto(room frame.Room) (int, error) {
	for {
		if err := s.below.judge(); err != nil {
			return 0, err
		}
		if !s.isDrained {
			if n, err := s.decrypt(room.Take()); n > 0 || err != nil {
				return n, err
			}
		}
		switch n, err := s.below.fetch(room); {
		case n > 0:
			s.isDrained = false
		case err == io.EOF: //nolint:errorlint // never wrapped
			return s.Read(room.Take()) // to say whether it is inside a record
		default:
			return 0, err // perhaps nil: a rest
		}
	}
}

// decrypt decrypts what was fetched, as many records as there is room for: a
// reader that got them one by one would answer them one by one.
func (s *secureSocket) decrypt(p []byte) (n int, err error) {
	s.below.noWait.Store(true)
	for n < len(p) && err == nil {
		var k int
		k, err = s.Conn.Read(p[n:])
		n += k
	}
	s.below.noWait.Store(false)
	if _, isNothing := err.(nothingYet); isNothing { //nolint:errorlint // crypto/tls wraps none
		s.isDrained, err = true, nil
	}
	if n > 0 {
		err = nil // crypto/tls says it again
	}
	return n, err
}

// Read waits, also inside a record.
func (s *secureSocket) Read(p []byte) (int, error) {
	s.isDrained = false
	if err := s.below.judge(); err != nil {
		return 0, err
	}
	return s.Conn.Read(p)
}

// encryptedAtOnce is the most that is encrypted before it is written: four records
// (RFC 8446 section 5.1).
const encryptedAtOnce = 64 << 10

// TryWrite implements trySocket. What it reports as written may still be encrypted
// and unwritten, for drain to write.
func (s *secureSocket) TryWrite(p []byte) (n int, err error) {
	for n < len(p) {
		if isAll, err := s.below.tryDrain(); !isAll || err != nil {
			return n, err
		}
		k := min(len(p)-n, encryptedAtOnce)
		if err := s.encrypt(p[n : n+k]); err != nil {
			return n, err
		}
		n += k
	}
	_, err = s.below.tryDrain()
	return n, err
}

// Write writes p, and what TryWrite has left, and waits for it.
func (s *secureSocket) Write(p []byte) (n int, err error) {
	for n < len(p) {
		k := min(len(p)-n, encryptedAtOnce)
		if err := s.encrypt(p[n : n+k]); err != nil {
			return n, err
		}
		if err := s.below.drain(); err != nil {
			return n, err
		}
		n += k
	}
	return n, nil
}

func (s *secureSocket) attach(c *Conn) {
	s.below.attach(c)
	s.below.ownWrites.Store(0) // the handshake was asked for by both
}

// isSent implements lateSocket.
func (s *secureSocket) isSent() bool { return s.below.isEmpty() }

// drain implements lateSocket.
func (s *secureSocket) drain() error { return s.below.drain() }

// secured returns nc, a *tls.Conn, as a secureSocket; nil if it is not on belowTLS.
func secured(nc net.Conn) *secureSocket {
	over, ok := nc.(interface{ NetConn() net.Conn })
	if !ok {
		return nil
	}
	below, ok := over.NetConn().(*cipherSocket)
	if !ok {
		return nil
	}
	return &secureSocket{Conn: nc, below: below}
}

// encrypt encrypts p and keeps it in below, to be written.
func (s *secureSocket) encrypt(p []byte) error {
	s.below.collect(true)
	_, err := s.Conn.Write(p)
	s.below.collect(false)
	return err
}
