//go:build linux && !386 && !s390x && !race

package transport

import (
	"net"
	"syscall"
	"testing"
)

// Somebody may have made the socket block, by File and Fd for example. The
// processor it would block is not given to others meanwhile.
func TestSocketThatBlocksIsNotWaitedFor(t *testing.T) {
	_, nc := ends(t, "tcp", "127.0.0.1:0")
	f, err := nc.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd := f.Fd()
	if err := syscall.SetNonblock(int(fd), false); err != nil {
		t.Fatal(err)
	}
	if n, errno := fdRead(fd, make([]byte, 8)); errno != syscall.EAGAIN {
		t.Errorf("nothing to read: got %d, %v", n, errno)
	}
	var errno syscall.Errno
	for errno == 0 {
		_, errno = fdWrite(fd, make([]byte, 1<<16))
	}
	if errno != syscall.EAGAIN {
		t.Errorf("full: got %v", errno)
	}
}
