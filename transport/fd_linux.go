//go:build linux && !386 && !s390x && !race

package transport

import (
	"syscall"
	"unsafe"
)

// fdRead reads what a socket has, and fdWrite writes what it takes; EAGAIN if that
// is nothing, 0 if all is well.
//
// An ordinary system call announces itself to the scheduler, which may then give the
// processor to another thread, and, if the process was idle, wakes the runtime's monitor,
// which then runs every 20 µs (docs/performance.md). These calls need none of that: with
// MSG_DONTWAIT they do not block, whatever mode the socket is in.
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
