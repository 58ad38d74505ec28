//go:build unix && (!linux || 386 || s390x || race)

package transport

import "syscall"

// fdRead reads what a socket has; EAGAIN if that is nothing, 0 if all is well. Package
// syscall tells the race detector what happened before what.
func fdRead(fd uintptr, p []byte) (int, syscall.Errno) { return bare(syscall.Read(int(fd), p)) }

// fdWrite writes what a socket takes.
func fdWrite(fd uintptr, p []byte) (int, syscall.Errno) { return bare(syscall.Write(int(fd), p)) }

// bare gives the error of a system call its type.
func bare(n int, err error) (int, syscall.Errno) {
	errno, _ := err.(syscall.Errno) //nolint:errorlint // package syscall wraps none
	return n, errno
}
