package transport

import (
	"crypto/tls"
	"io"
	"net"
	"syscall"

	"github.com/cqrpc/cqrpc/frame"
)

// trySocket is a connection that can be asked to write without waiting. Who
// may not block, the reader above all, writes through it.
type trySocket interface {
	// TryWrite writes what the connection takes at once and returns how many
	// octets that were: fewer than len(p) without an error if it is full.
	TryWrite(p []byte) (n int, err error)
}

// facets returns what else nc can do than what every net.Conn can: as the
// reader's source wait without a buffer, and write without waiting. try is nil if
// it cannot: TLS has to encrypt a record before it knows whether it can be sent.
func facets(nc net.Conn) (in io.Reader, try trySocket) {
	switch s := nc.(type) {
	case trySocket:
		return nc, s
	case *net.TCPConn, *net.UnixConn:
		if raw := newRawSocket(s, s.(syscall.Conn)); raw != nil {
			return raw, raw
		}
	case *tls.Conn:
		return &tlsSource{Conn: nc}, nil
	}
	return nc, nil
}

// facets finds out what c's connection can do, and returns the reader's source.
func (c *Conn) facets() io.Reader {
	in, try := facets(c.nc)
	if raw, ok := in.(*rawSocket); ok {
		raw.conn, c.rest.able = c, true
	}
	c.try = try
	return in
}

// tlsSource is the reader's source of a TLS connection, which cannot tell when
// there is something to read: it waits with as little room as it can.
type tlsSource struct {
	net.Conn
	first [9]byte // a frame header (RFC 9113 section 4.1)
}

var _ frame.PatientReader = (*tlsSource)(nil)

// ReadInto implements frame.PatientReader.
func (s *tlsSource) ReadInto(room frame.Room) (int, error) {
	room.Drop()
	n, err := s.Read(s.first[:])
	if n == 0 {
		return 0, err
	}
	return copy(room.Take(), s.first[:n]), err
}
