//go:build !unix

package oneport

import "net"

// peekSocket has no way to look at what a socket has without taking it.
func peekSocket(net.Conn) (isSocket, isHTTP2 bool, err error) { return false, false, nil }
