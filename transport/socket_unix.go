//go:build unix

package transport

import (
	"io"
	"net"
	"os"
	"syscall"

	"github.com/cqrpc/cqrpc/frame"
)

// rawSocket is a kernel socket, used by its file descriptor: a read or write takes what is there
// and never blocks, and RawConn waits until the socket is ready. One goroutine at a time reads, and
// one writes.
type rawSocket struct {
	net.Conn
	conn  *Conn // whose reader rests; nil in tests
	raw   syscall.RawConn
	read  func(fd uintptr) bool // readOnce, bound once: it would be allocated each time
	write func(fd uintptr) bool // writeOnce, likewise

	in  rawRead
	out rawWrite

	first [9]byte // room for a frame header (RFC 9113 section 4.1)
}

// rawRead is a read in progress.
type rawRead struct {
	room frame.Room // of ReadInto
	p    []byte     // of Read
	n    int
	err  error

	isOver bool // there is nothing to read, and no wait for it
}

// rawWrite is a write in progress.
type rawWrite struct {
	p   []byte
	n   int
	err error
}

var _ frame.PatientReader = (*rawSocket)(nil)

func newRawSocket(nc net.Conn, c syscall.Conn) *rawSocket {
	s := new(rawSocket)
	if !s.open(nc, c) {
		return nil
	}
	return s
}

// open makes s, which is zero, the socket nc and c.
func (s *rawSocket) open(nc net.Conn, c syscall.Conn) bool {
	raw, err := c.SyscallConn()
	s.Conn, s.raw = nc, raw
	s.read, s.write = s.readOnce, s.writeOnce
	return err == nil
}

// maxTransfer is the most octets of one system call. The call is not interrupted,
// so a garbage collection may have to wait for it.
const maxTransfer = 64 << 10

// Read reads inside a frame. The deadline of a rest may pass here, too, and is then ignored.
// In a large frame it may be interrupted, see [frame.ErrInterrupted].
func (s *rawSocket) Read(p []byte) (int, error) {
	for {
		s.in = rawRead{p: p[:min(len(p), maxTransfer)]}
		err := s.raw.Read(s.read)
		s.in.p = nil
		if s.isBulk() {
			s.conn.endWait()
		}
		isExcused := err != nil && s.isExcused(err)
		switch {
		case s.in.isOver, isExcused && s.isBulk() && s.conn.isRecalled():
			return 0, frame.ErrInterrupted
		case !isExcused:
			return s.outcome(err)
		}
	}
}

// outcome is what Read returns when RawConn.Read has returned err.
func (s *rawSocket) outcome(err error) (int, error) {
	switch {
	case err != nil:
		return 0, err
	case s.in.err != nil:
		return 0, s.in.err
	case s.in.n == 0:
		return 0, io.EOF
	}
	return s.in.n, nil
}

// attach says whose socket it is.
func (s *rawSocket) attach(c *Conn) { s.conn = c }

func (s *rawSocket) isExcused(err error) bool { return s.conn != nil && s.conn.isExcused(err) }

// ReadInto implements frame.PatientReader: it waits for a frame to begin. An excused deadline,
// see isExcused, ends the wait without an error.
func (s *rawSocket) ReadInto(room frame.Room) (int, error) {
	s.in = rawRead{room: room}
	err := s.raw.Read(s.read)
	s.in.room = nil
	if s.conn != nil {
		s.conn.endWait()
	}
	if s.in.isOver || err != nil && s.isExcused(err) {
		return 0, nil
	}
	return s.outcome(err)
}

// readOnce reads. If there is nothing to read, even after a poll, it drops the room,
// and RawConn.Read waits and calls it again.
func (s *rawSocket) readOnce(fd uintptr) (done bool) {
	for {
		n, errno := fdRead(fd, s.space())
		switch errno {
		case syscall.EINTR:
			continue
		case 0:
			s.got(n)
		case syscall.EAGAIN:
			if s.conn != nil && !s.conn.isRecalled() && s.conn.poll.again() {
				continue
			}
			if s.in.room != nil {
				s.in.room.Drop()
			} else if !s.isBulk() {
				return false
			}
			s.in.isOver = s.conn != nil && !s.conn.beginWait()
			return s.in.isOver
		default:
			s.in.err = os.NewSyscallError("read", errno)
		}
		return true
	}
}

// isBulk reports whether a Read may be interrupted.
func (s *rawSocket) isBulk() bool { return s.conn != nil && s.conn.isBulk }

// space is where to read to. A reader that rests reads into first: taking room may need more stack
// than it has, so got does that once something has come.
func (s *rawSocket) space() []byte {
	switch {
	case s.in.room == nil:
		return s.in.p
	case s.isResting():
		return s.first[:]
	}
	return s.in.room.Take()
}

func (s *rawSocket) isResting() bool { return s.conn != nil && s.conn.rest.rests }

// got notes that n octets came.
func (s *rawSocket) got(n int) {
	if s.in.n = n; n > 0 && s.in.room != nil && s.isResting() {
		copy(s.in.room.Take(), s.first[:n])
	}
	if s.conn != nil {
		s.conn.poll.came()
		s.conn.rest.active, s.conn.rest.rests = true, false
	}
}

// TryWrite implements trySocket.
func (s *rawSocket) TryWrite(p []byte) (int, error) {
	s.out = rawWrite{p: p}
	err := s.raw.Write(s.write)
	s.out.p = nil
	if err == nil {
		err = s.out.err
	}
	return s.out.n, err
}

// writeOnce writes and never asks to be called again when the socket is
// writable, which is what RawConn.Write would wait for.
func (s *rawSocket) writeOnce(fd uintptr) bool {
	s.out.n, s.out.err = sendNow(fd, s.out.p)
	return true
}

// sendNow writes what the socket takes of p at once.
func sendNow(fd uintptr, p []byte) (sent int, err error) {
	for sent < len(p) {
		n, errno := fdWrite(fd, p[sent:min(len(p), sent+maxTransfer)])
		switch errno {
		case syscall.EINTR:
		case 0:
			sent += n
		case syscall.EAGAIN:
			return sent, nil
		default:
			return sent, os.NewSyscallError("write", errno)
		}
	}
	return sent, nil
}
