//go:build !unix

package transport

import (
	"net"
	"syscall"
)

// rawSocket: where sockets are not file descriptors, a write may wait, and who
// waits needs a buffer.
type rawSocket struct {
	net.Conn
	conn *Conn
}

func newRawSocket(net.Conn, syscall.Conn) *rawSocket { return nil }

// TryWrite implements trySocket.
func (*rawSocket) TryWrite([]byte) (int, error) { return 0, nil }
