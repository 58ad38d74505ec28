package oneport

import (
	"errors"
	"net"
	"sync"
	"time"
)

// patience is how long a client may take for its first octets: as long as server gives
// it for HTTP/2's.
const patience = 20 * time.Second

// Split returns two listeners in place of lis: one has the connections that begin with
// HTTP/2's preface (RFC 9113 section 3.4), the other all others. A client that says
// nothing for 20 s, and one whose listener is closed, is hung up on. lis is closed with
// the second of them, and must not be used otherwise. An error of its Accept is told to
// one of them, whichever accepts.
func Split(lis net.Listener) (http2, other net.Listener) {
	p := &splitter{lis: lis, ended: make(chan struct{}), deciding: make(map[net.Conn]struct{})}
	p.http2, p.other = newSide(p), newSide(p)
	p.open = 2
	go p.run()
	return p.http2, p.other
}

// splitter accepts for two.
type splitter struct {
	// immutable
	lis          net.Listener
	http2, other *side
	ended        chan struct{} // closed: both sides are, or lis is

	mu sync.Mutex
	// guarded by mu
	open     int // sides
	deciding map[net.Conn]struct{}
	isOver   bool
}

// run accepts until lis is closed.
func (p *splitter) run() {
	defer p.end()
	for {
		nc, err := p.lis.Accept()
		switch {
		case err == nil:
			go p.decide(nc)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			p.tell(err)
		}
	}
}

// tell gives an error of Accept to one of the sides.
func (p *splitter) tell(err error) {
	select {
	case p.http2.accepted <- accepted{err: err}:
	case p.other.accepted <- accepted{err: err}:
	case <-p.ended:
	}
}

// decide gives a connection to the side that it is for.
func (p *splitter) decide(nc net.Conn) {
	if !p.hold(nc) {
		_ = nc.Close()
		return
	}
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	whole, isHTTP2, err := peek(nc)
	if !p.letGo(nc) || err != nil {
		_ = nc.Close()
		return
	}
	_ = nc.SetReadDeadline(time.Time{})
	to := p.other
	if isHTTP2 {
		to = p.http2
	}
	to.give(whole)
}

// hold notes a connection that is not decided, to be cut off at the end. It reports
// false if that has come.
func (p *splitter) hold(nc net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isOver {
		p.deciding[nc] = struct{}{}
	}
	return !p.isOver
}

func (p *splitter) letGo(nc net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.deciding, nc)
	return !p.isOver
}

// end closes the connections that are not decided yet.
func (p *splitter) end() {
	p.mu.Lock()
	undecided := p.deciding
	p.deciding = nil
	if !p.isOver {
		p.isOver = true
		close(p.ended)
	}
	p.mu.Unlock()
	for nc := range undecided {
		_ = nc.Close()
	}
}

// leave counts a side that is closed.
func (p *splitter) leave() error {
	p.mu.Lock()
	p.open--
	isLast := p.open == 0
	p.mu.Unlock()
	if !isLast {
		return nil
	}
	p.end()
	return p.lis.Close()
}

// side is one of the two listeners.
type side struct {
	// immutable
	from     *splitter
	accepted chan accepted
	closed   chan struct{}

	once sync.Once // closes closed
}

type accepted struct {
	nc  net.Conn
	err error
}

func newSide(p *splitter) *side {
	return &side{from: p, accepted: make(chan accepted), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (s *side) Accept() (net.Conn, error) {
	select {
	case a := <-s.accepted:
		return a.nc, a.err
	case <-s.closed:
	case <-s.from.ended:
	}
	return nil, net.ErrClosed
}

// give hands a connection to whoever accepts.
func (s *side) give(nc net.Conn) {
	select {
	case s.accepted <- accepted{nc: nc}:
		return
	case <-s.closed:
	case <-s.from.ended:
	}
	_ = nc.Close()
}

// Close implements net.Listener.
func (s *side) Close() error {
	err := net.ErrClosed
	s.once.Do(func() {
		close(s.closed)
		err = s.from.leave()
	})
	return err
}

// Addr implements net.Listener.
func (s *side) Addr() net.Addr { return s.from.lis.Addr() }
