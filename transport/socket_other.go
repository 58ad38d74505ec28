//go:build !unix

package transport

import (
	"io"
	"net"
	"syscall"
)

// rawSocket does not exist where sockets are not file descriptors: every write
// may wait, and a read that waits needs a buffer.
type rawSocket struct {
	net.Conn
	conn *Conn
}

func newRawSocket(net.Conn, syscall.Conn) *rawSocket { return nil }

// belowTLS returns what a *tls.Conn is to be made on instead of nc.
func belowTLS(nc net.Conn) net.Conn { return nc }

// secured is for sockets that are file descriptors.
func secured(net.Conn) interface {
	io.Reader
	lateSocket
} {
	return nil
}

// TryWrite implements trySocket.
func (*rawSocket) TryWrite([]byte) (int, error) { return 0, nil }
