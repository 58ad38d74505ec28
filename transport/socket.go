package transport

import (
	"crypto/tls"
	"io"
	"net"
	"syscall"

	"github.com/cqrpc/cqrpc/frame"
)

// trySocket is a connection that can write without waiting. Goroutines that may
// not block, the reader above all, write through it.
type trySocket interface {
	// TryWrite writes what the connection takes at once and returns how many
	// octets that were: fewer than len(p) without an error if it is full.
	TryWrite(p []byte) (n int, err error)
}

// lateSocket is a trySocket that may have taken more than it has written.
type lateSocket interface {
	trySocket
	io.Writer

	// isSent reports whether what it has taken is written.
	isSent() bool
	// drain writes it, and waits for that.
	drain() error
}

// facets returns what nc can do beyond net.Conn: in is the reader's source, which may be able to
// wait without a buffer, and try writes without waiting, nil if nc cannot. A *tls.Conn that was not
// made by ClientTLS or ServerTLS cannot: it encrypts a record before it is known whether the socket
// takes it.
func facets(nc net.Conn) (in io.Reader, try trySocket) {
	switch s := nc.(type) {
	case trySocket:
		return nc, s
	case *net.TCPConn, *net.UnixConn:
		if raw := newRawSocket(s, s.(syscall.Conn)); raw != nil {
			return raw, raw
		}
	case *tls.Conn:
		if s := secured(nc); s != nil {
			return s, s
		}
		return &tlsSource{Conn: nc}, nil
	}
	return nc, nil
}

// openSocket finds out what c's socket can do, and returns the reader's source.
func (c *Conn) openSocket() io.Reader {
	in, try := facets(c.nc)
	c.try, c.sink = try, c.nc
	_, c.isPlain = in.(*rawSocket)
	if own, ok := in.(interface{ attach(c *Conn) }); ok {
		own.attach(c)
		c.rest.able = true
	}
	if late, ok := try.(lateSocket); ok {
		c.late, c.sink = late, late
	}
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
