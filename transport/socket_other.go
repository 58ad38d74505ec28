//go:build !unix

package transport

import "syscall"

// newRawSocket: where sockets are not file descriptors, a write may wait.
func newRawSocket(syscall.Conn) trySocket { return nil }
