package memconn

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// flow is one direction of a connection: the writing end appends to buf, the
// reading end takes from it. Every wait is on changed, which synctest counts as
// durably blocked; mu is never held across a wait.
type flow struct {
	mu      sync.Mutex
	changed *sync.Cond // broadcast after any change below

	// guarded by mu
	buf       bytes.Buffer
	limit     int  // most bytes buf may hold, 0 for no bound
	chunk     int  // most bytes one read returns, 0 for no bound
	stalled   bool // reads see neither bytes nor the end
	ended     bool // the writing end is closed: EOF after buf
	abandoned bool // the reading end is closed: writes are pointless
	writing   bool // a write is in progress, others wait their turn
	readErr   error
	writeErr  error
	calls     int   // writes that delivered at least one byte
	written   int64 // bytes accepted in total

	readBy, writeBy deadline
}

func newFlow() *flow {
	f := new(flow)
	f.changed = sync.NewCond(&f.mu)
	return f
}

// update runs change under the lock and wakes every waiter to look again.
func (f *flow) update(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.changed.Broadcast()
}

// room is where to read to: see [Conn.ReadInto].
type room = interface {
	Take() []byte
	Drop()
}

// ownRoom is room that the reader has anyway.
type ownRoom []byte

func (r ownRoom) Take() []byte { return r }
func (r ownRoom) Drop()        {}

func (f *flow) read(r room) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch err := f.cannotRead(); {
		case err != nil:
			return 0, err
		case f.stalled:
		case f.buf.Len() > 0:
			return f.take(r.Take()), nil
		case f.ended:
			return 0, io.EOF
		}
		r.Drop()
		f.changed.Wait()
	}
}

// readable says why this end can read no more, nil if it can.
func (f *flow) readable() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cannotRead()
}

// cannotRead orders the reasons as a socket does: what happened to this end
// first, and an expired deadline even when bytes are there.
func (f *flow) cannotRead() error {
	switch {
	case f.abandoned:
		return net.ErrClosed
	case f.readErr != nil:
		return f.readErr
	case f.readBy.expired:
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (f *flow) take(p []byte) int {
	if f.chunk > 0 && len(p) > f.chunk {
		p = p[:f.chunk]
	}
	n, _ := f.buf.Read(p) // cannot fail: buf is not empty
	f.changed.Broadcast()
	return n
}

func (f *flow) write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.startWrite(); err != nil {
		return 0, err
	}
	n := 0
	defer func() { f.endWrite(n) }()
	for {
		if err := f.cannotWrite(); err != nil {
			return n, err
		}
		n += f.give(p[n:])
		if n == len(p) {
			return n, nil
		}
		f.changed.Wait()
	}
}

// tryWrite is write without waiting; nothing is written while another write is
// half done.
func (f *flow) tryWrite(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.cannotWrite(); err != nil || f.writing {
		return 0, err
	}
	n := f.give(p)
	f.endWrite(n)
	return n, nil
}

// startWrite waits until no other write is half done.
func (f *flow) startWrite() error {
	for {
		if err := f.cannotWrite(); err != nil {
			return err
		}
		if !f.writing {
			f.writing = true
			return nil
		}
		f.changed.Wait()
	}
}

func (f *flow) endWrite(n int) {
	f.writing = false
	if n > 0 {
		f.calls++
	}
	f.changed.Broadcast()
}

func (f *flow) cannotWrite() error {
	switch {
	case f.ended:
		return net.ErrClosed
	case f.writeErr != nil:
		return f.writeErr
	case f.writeBy.expired:
		return os.ErrDeadlineExceeded
	case f.abandoned:
		return syscall.EPIPE
	}
	return nil
}

// give appends as much of p as the limit allows and reports how much that was.
func (f *flow) give(p []byte) int {
	if f.limit > 0 {
		p = p[:min(len(p), max(0, f.limit-f.buf.Len()))]
	}
	if len(p) == 0 {
		return 0
	}
	f.buf.Write(p)
	f.written += int64(len(p))
	f.changed.Broadcast()
	return len(p)
}
