//go:build unix

package transport

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cqrpc/cqrpc/frame"
)

// cipherSocket is the kernel socket below a TLS connection that was made here: what its *tls.Conn
// reads and writes. It lets a [secureSocket] wait without a buffer, and write without waiting.
//
//	socket ──► ahead ──Read───► *tls.Conn   noWait: only what was fetched before can be read
//	socket ◄── late ◄───Write── *tls.Conn   isCollecting: writes are kept until all are there
type cipherSocket struct {
	rawSocket

	push    func(fd uintptr) bool // pushOnce, bound once
	tryPush func(fd uintptr)      // the same

	ahead     readAhead    // reader only
	noWait    atomic.Bool  // the *tls.Conn is read by a goroutine that must not wait
	ownWrites atomic.Int32 // what the *tls.Conn has written by itself, and is not accounted for

	mu sync.Mutex // also held while the socket takes what it has room for, which does not wait
	// guarded by mu
	isCollecting bool
	late         *cipherText // encrypted and not written; nil: nothing
	err          error       // of the last write
}

// belowTLS returns what a *tls.Conn is to be made on instead of nc.
func belowTLS(nc net.Conn) net.Conn {
	switch c := nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		s := new(cipherSocket)
		if s.rawSocket.open(nc, c.(syscall.Conn)) {
			s.push = s.pushOnce
			s.tryPush = func(fd uintptr) { s.pushOnce(fd) }
			return s
		}
	}
	return nc
}

// Read is for the *tls.Conn.
func (s *cipherSocket) Read(p []byte) (int, error) {
	switch {
	case len(s.ahead.held) > 0:
		n := copy(p, s.ahead.held)
		s.ahead.held = s.ahead.held[n:]
		return n, nil
	case s.noWait.Load():
		return 0, nothingYet{}
	}
	return s.rawSocket.Read(p)
}

// fetch reads what has come, for the *tls.Conn to take later. While it waits it holds neither a
// buffer of its own nor outer's.
func (s *cipherSocket) fetch(outer frame.Room) (int, error) {
	s.ahead.outer = outer
	n, err := s.rawSocket.ReadInto(&s.ahead)
	s.ahead.outer = nil
	if n > 0 {
		s.ahead.held = s.ahead.Take()[:n]
	}
	return n, err
}

// mostLateByReading bounds, in bytes, the answers that a peer can make us keep, for example to its
// changes of keys, while it does not read them.
const mostLateByReading = 1 << 20

var errTakesNothing = errors.New("tls: the peer asks for answers and does not take them")

// Write is for the *tls.Conn. It is also called while the *tls.Conn is being read, to change a key
// or to report a failure; then it does not wait.
func (s *cipherSocket) Write(p []byte) (int, error) {
	isReading := s.noWait.Load()
	s.mu.Lock()
	isCollecting, isFirst := s.isCollecting, s.late == nil
	if !isCollecting {
		s.ownWrites.Add(1)
	}
	if isReading && !isFirst && len(s.late.buf)-s.late.sent > mostLateByReading {
		s.mu.Unlock()
		return 0, errTakesNothing
	}
	if isCollecting || isReading || !isFirst {
		s.addLocked(p)
	}
	s.mu.Unlock()
	switch {
	case isCollecting:
		return len(p), nil
	case isReading:
		if !isFirst { // somebody writes already
			return len(p), nil
		}
		isAll, err := s.tryDrain()
		if !isAll && err == nil {
			go func() { _ = s.drain() }()
		}
		return len(p), err
	case isFirst:
		return s.Conn.Write(p)
	}
	if err := s.drain(); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *cipherSocket) addLocked(p []byte) {
	if s.late == nil {
		s.late = cipherTexts.Get().(*cipherText)
	}
	s.late.add(p)
}

// judge accounts what the peer has made the *tls.Conn write: to change a key costs as much as a
// hundred octets of DATA, and crypto/tls lets a peer do so sixteen times for each of them.
// Reader only.
func (s *cipherSocket) judge() error {
	if s.ownWrites.Load() == 0 || s.conn == nil {
		return nil
	}
	for range s.ownWrites.Swap(0) {
		if err := s.conn.glitch("changes of TLS keys"); err != nil {
			return err
		}
	}
	return nil
}

// collect says whether what is written next is kept until tryDrain or drain.
func (s *cipherSocket) collect(isCollecting bool) {
	s.mu.Lock()
	s.isCollecting = isCollecting
	s.mu.Unlock()
}

// tryDrain writes what can be written at once, and reports whether that was all. It does not wait
// behind a drain, as RawConn.Write would.
func (s *cipherSocket) tryDrain() (isAll bool, err error) {
	err = s.ended(s.raw.Control(s.tryPush))
	return s.isEmpty(), err
}

// isEmpty reports whether all is written.
func (s *cipherSocket) isEmpty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.late == nil
}

// drain writes all, and waits for it.
func (s *cipherSocket) drain() error { return s.ended(s.raw.Write(s.push)) }

// ended is what became of a write if RawConn.Write has returned err.
func (s *cipherSocket) ended(err error) error {
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// pushOnce writes what can be written at once, and reports whether nothing is left to
// be written, for whatever reason.
func (s *cipherSocket) pushOnce(fd uintptr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.late
	if t == nil {
		return true
	}
	var n int
	n, s.err = sendNow(fd, t.buf[t.sent:])
	t.sent += n
	if t.sent < len(t.buf) && s.err == nil {
		return false
	}
	s.late = nil
	t.put()
	return true
}

// nothingYet is an error that a *tls.Conn takes for a deadline: its next read goes on
// where this one stopped.
type nothingYet struct{}

var _ net.Error = nothingYet{}

func (nothingYet) Error() string   { return "nothing to read yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

// readAhead is the Room of a cipherSocket. It is dropped together with another one,
// outer.
type readAhead struct {
	outer frame.Room
	room  *[readAheadRoom]byte // nil while there is nothing
	held  []byte               // of room: read and not taken yet
}

// Take implements frame.Room.
func (a *readAhead) Take() []byte {
	if a.room == nil {
		a.room = readAheads.Get().(*[readAheadRoom]byte)
	}
	return a.room[:]
}

// Drop implements frame.Room.
func (a *readAhead) Drop() {
	a.outer.Drop()
	if a.room != nil {
		readAheads.Put(a.room)
		a.room = nil
	}
}

const (
	// readAheadRoom is as much as a frame.Reader reads of plaintext at once.
	readAheadRoom = 32 << 10

	// cipherRoom holds what is encrypted in one go: four records as large as they can
	// be, with header, padding and tag, and something small.
	cipherRoom = 68 << 10
)

var readAheads = sync.Pool{New: func() any { return new([readAheadRoom]byte) }}

// cipherText is encrypted octets on their way out.
type cipherText struct {
	buf  []byte
	sent int // of buf
}

var cipherTexts = sync.Pool{New: func() any { return &cipherText{buf: make([]byte, 0, cipherRoom)} }}

// add puts p behind what is there. What was sent makes room: a peer that never takes all would have
// all that it was ever sent be kept.
func (t *cipherText) add(p []byte) {
	if t.sent > len(t.buf)/2 {
		t.buf = t.buf[:copy(t.buf, t.buf[t.sent:])]
		t.sent = 0
	}
	t.buf = append(t.buf, p...)
}

func (t *cipherText) put() {
	if cap(t.buf) > 2*cipherRoom { // of changes of keys that were not taken
		return
	}
	t.buf, t.sent = t.buf[:0], 0
	cipherTexts.Put(t)
}
