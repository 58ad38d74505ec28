//go:build unix

package transport

import "syscall"

// rawSocket is the trySocket of a kernel socket. One goroutine at a time.
type rawSocket struct {
	raw   syscall.RawConn
	write func(fd uintptr) bool // writeOnce, bound once: it would be allocated each time

	// of the write in progress
	p   []byte
	n   int
	err error
}

func newRawSocket(c syscall.Conn) trySocket {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	s := &rawSocket{raw: raw}
	s.write = s.writeOnce
	return s
}

// TryWrite implements trySocket.
func (s *rawSocket) TryWrite(p []byte) (int, error) {
	s.p, s.n, s.err = p, 0, nil
	err := s.raw.Write(s.write)
	s.p = nil
	if err == nil {
		err = s.err
	}
	return s.n, err
}

// writeOnce writes and never asks to be called again when the socket is
// writable, which is what RawConn.Write would wait for.
func (s *rawSocket) writeOnce(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), s.p)
		switch err {
		case syscall.EINTR:
			continue
		case nil:
			s.n = n
		case syscall.EAGAIN:
		default:
			s.err = err
		}
		return true
	}
}
