//go:build unix && (!linux || 386 || s390x || race)

package transport

import "syscall"

// fdRead reads what a socket has; EAGAIN if that is nothing. The race detector
// learns from it what happened before.
func fdRead(fd uintptr, p []byte) (int, error) { return syscall.Read(int(fd), p) }

// fdWrite writes what a socket takes.
func fdWrite(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }
