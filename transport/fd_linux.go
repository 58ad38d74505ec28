//go:build linux && !386 && !s390x && !race

package transport

import (
	"syscall"
	"unsafe"
)

// fdRead reads what a socket has, and fdWrite writes what it takes; EAGAIN if that
// is nothing, 0 if all is well.
//
// A system call the usual way tells the scheduler, which then may give the
// processor to another thread, and wakes the runtime's monitor if the process was
// idle, for a turn each 20 µs from then on (docs/performance.md). These are not worth
// it: whatever mode the socket is in, MSG_DONTWAIT does not block.
func fdRead(fd uintptr, p []byte) (int, syscall.Errno) {
	return transfer(syscall.SYS_RECVFROM, fd, p, syscall.MSG_DONTWAIT)
}

func fdWrite(fd uintptr, p []byte) (int, syscall.Errno) {
	return transfer(syscall.SYS_SENDTO, fd, p, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

// transfer makes a system call with the arguments that recv(2) and send(2) have.
func transfer(trap, fd uintptr, p []byte, flags uintptr) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(
		trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
	return int(n), errno
}
