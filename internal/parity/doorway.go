package parity

import (
	"net"
	"sync"
	"testing"
)

// Doorway is an address at which there is a server at times. It is kept all the
// time, lest another test gets it: without a server, whoever comes is turned
// away.
type Doorway struct {
	listener net.Listener

	mu sync.Mutex
	// guarded by mu
	inside *doorListener // nil: nobody
}

// NewDoorway makes a doorway for the rest of the test.
func NewDoorway(t *testing.T) *Doorway {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	Want(t, "Listen", err)
	d := &Doorway{listener: lis}
	var doorman sync.WaitGroup
	doorman.Go(d.admit)
	t.Cleanup(func() {
		_ = lis.Close()
		doorman.Wait()
	})
	return d
}

// Address is where it is.
func (d *Doorway) Address() string { return d.listener.Addr().String() }

// Listen returns what a server accepts connections from until it closes it.
func (d *Doorway) Listen() net.Listener {
	l := &doorListener{doorway: d, conns: make(chan net.Conn), closed: make(chan struct{})}
	d.mu.Lock()
	d.inside = l
	d.mu.Unlock()
	return l
}

func (d *Doorway) admit() {
	for {
		nc, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		l := d.inside
		d.mu.Unlock()
		if l == nil || !l.deliver(nc) {
			_ = nc.Close()
		}
	}
}

func (d *Doorway) leave(l *doorListener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside == l {
		d.inside = nil
	}
}

type doorListener struct {
	doorway *Doorway
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (l *doorListener) deliver(nc net.Conn) bool {
	select {
	case l.conns <- nc:
		return true
	case <-l.closed:
		return false
	}
}

func (l *doorListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *doorListener) Close() error {
	l.once.Do(func() {
		l.doorway.leave(l)
		close(l.closed)
	})
	return nil
}

func (l *doorListener) Addr() net.Addr { return l.doorway.listener.Addr() }
