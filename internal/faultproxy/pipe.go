package faultproxy

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// readSize is how much is read at a time, and so the largest piece.
const readSize = 16 << 10

// backlog is how many pieces may be on their way: what a late direction takes
// from its sender before it makes it wait.
const backlog = 64

// pipe is one direction of a link.
//
//	              late: pieces, each with its time
//	from ──read──► ─────────────────────────────── ──► write ──► to
//	                                                     │ At bytes were passed
//	                                                     ▼
//	                                           Truncate, Stall or Cut
type pipe struct {
	// immutable once run
	link     *link
	from, to net.Conn

	way    Way // of the goroutine that writes
	passed atomic.Int64
}

// piece is bytes and when they are due, or the end.
type piece struct {
	data []byte
	err  error
	due  time.Time
}

// run passes bytes until the direction has ended.
func (p *pipe) run() {
	if p.strikes() && !p.strike() {
		p.drain()
		return
	}
	if p.way.isLate() {
		p.runLate()
		return
	}
	buf := make([]byte, readSize)
	for {
		n, err := p.from.Read(buf)
		if !p.pass(buf[:n]) {
			p.drain()
			return
		}
		if err != nil {
			p.end(err)
			return
		}
	}
}

// runLate is run with a reader of its own, so that later pieces can be on their
// way while one waits.
func (p *pipe) runLate() {
	pieces := make(chan piece, backlog)
	gone := make(chan struct{})
	go p.read(pieces, gone, p.way.Delay, p.way.Jitter)
	for c := range pieces {
		if !p.wait(time.Until(c.due)) || !p.pass(c.data) {
			break
		}
		if c.err != nil {
			p.end(c.err)
		}
	}
	close(gone)
	for range pieces { // the reader drops the rest
	}
}

// read reads pieces, and when they are due is never before the last.
func (p *pipe) read(to chan<- piece, gone <-chan struct{}, delay time.Duration, jitter func() time.Duration) {
	defer close(to)
	var last time.Time
	for {
		buf := make([]byte, readSize)
		n, err := p.from.Read(buf)
		due := time.Now().Add(delay)
		if jitter != nil {
			due = due.Add(jitter())
		}
		if due.Before(last) {
			due = last
		}
		last = due
		select {
		case to <- piece{data: buf[:n], err: err, due: due}:
		case <-gone:
		}
		if err != nil {
			return
		}
	}
}

// pass writes data as far as the fault lets it, and reports false if nothing more
// can be passed.
func (p *pipe) pass(data []byte) bool {
	for len(data) > 0 {
		n := len(data)
		if p.way.Chunk > 0 {
			n = min(n, p.way.Chunk)
		}
		if p.way.Fault != None {
			n = int(min(int64(n), p.way.At-p.passed.Load()))
		}
		if _, err := p.to.Write(data[:n]); err != nil {
			return false // the receiver is gone; what it has sent still passes
		}
		p.passed.Add(int64(n))
		data = data[n:]
		if p.strikes() && !p.strike() {
			return false
		}
	}
	return true
}

// strikes reports whether the fault is due.
func (p *pipe) strikes() bool { return p.way.Fault != None && p.passed.Load() == p.way.At }

// strike does what the fault says, and reports whether the direction goes on.
func (p *pipe) strike() bool {
	if !p.wait(p.way.Pause) {
		return false
	}
	switch p.way.Fault {
	case Truncate:
		finish(p.to)
		return false
	case Stall:
		p.way.Fault = None
		if p.way.For > 0 {
			return p.wait(p.way.For)
		}
		<-p.link.broken
		return false
	case Cut:
		p.link.cut()
		return false
	case None:
	}
	return true
}

// wait reports false if the link was cut meanwhile.
func (p *pipe) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.link.broken:
		return false
	}
}

// end passes on how the sender has ended.
func (p *pipe) end(err error) {
	switch {
	case errors.Is(err, io.EOF):
		finish(p.to)
	case !errors.Is(err, net.ErrClosed):
		p.link.cut()
	}
}

// drain drops what is sent on.
func (p *pipe) drain() { _, _ = io.Copy(io.Discard, p.from) }
