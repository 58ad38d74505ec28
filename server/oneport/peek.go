package oneport

import (
	"bytes"
	"net"
)

// preface is how HTTP/2 begins; no method of HTTP/1 does (RFC 9113 section 3.4).
var preface = []byte("PRI")

// peek waits for as many octets as it takes to know whether nc speaks HTTP/2, and
// returns a connection that still has them.
func peek(nc net.Conn) (whole net.Conn, isHTTP2 bool, err error) {
	if isSocket, isHTTP2, err := peekSocket(nc); isSocket {
		return nc, isHTTP2, err
	}
	var head [3]byte
	n := 0
	for !isDecided(head[:n]) {
		var k int
		k, err = nc.Read(head[n:])
		if n += k; k == 0 && err != nil {
			return nil, false, err
		}
	}
	return &begun{Conn: nc, head: head[:n]}, n == len(preface) && bytes.Equal(head[:], preface), nil
}

// isDecided reports whether what has come is the preface's beginning, or not.
func isDecided(head []byte) bool {
	return len(head) >= len(preface) || !bytes.HasPrefix(preface, head)
}

// begun is a connection of which something was read.
type begun struct {
	net.Conn
	head []byte // not read again yet
}

// Read implements net.Conn.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.head) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.head)
	b.head = b.head[n:]
	return n, nil
}
