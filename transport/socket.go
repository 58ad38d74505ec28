package transport

import "net"

// trySocket is a connection that can be asked to write without waiting. Who
// may not block, the reader above all, writes through it.
type trySocket interface {
	// TryWrite writes what the connection takes at once and returns how many
	// octets that were: fewer than len(p) without an error if it is full.
	TryWrite(p []byte) (n int, err error)
}

// trySocketOf returns nc as a trySocket, nil if it cannot be one: TLS has to
// encrypt a record before it knows whether it can be sent.
func trySocketOf(nc net.Conn) trySocket {
	switch s := nc.(type) {
	case trySocket:
		return s
	case *net.TCPConn:
		return newRawSocket(s)
	case *net.UnixConn:
		return newRawSocket(s)
	}
	return nil
}
