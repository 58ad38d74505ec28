package memconn

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// Listener is an in-memory net.Listener; Dial is how to reach it.
type Listener struct {
	mu      sync.Mutex
	changed *sync.Cond // broadcast after any change below

	// guarded by mu
	backlog []*Conn
	dialed  int
	closed  bool
	refusal error
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a listener that refuses nobody. Its address is Addr("server");
// the n-th connection comes from Addr("client-n"), counting from 1.
func Listen() *Listener {
	l := new(Listener)
	l.changed = sync.NewCond(&l.mu)
	return l
}

// Accept waits for a connection. After Close it fails with net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.backlog) == 0 && !l.closed {
		l.changed.Wait()
	}
	if l.closed {
		return nil, l.opError("accept", net.ErrClosed)
	}
	c := l.backlog[0]
	l.backlog = l.backlog[1:]
	return c, nil
}

// Dial connects to the listener without waiting for Accept, as a kernel with an
// unlimited backlog would. It fails with ctx's error if ctx has ended, with
// what Refuse gave, and with syscall.ECONNREFUSED after Close.
func (l *Listener) Dial(ctx context.Context) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, l.opError("dial", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, l.opError("dial", syscall.ECONNREFUSED)
	case l.refusal != nil:
		return nil, l.opError("dial", l.refusal)
	}
	client, server := Pipe()
	l.dialed++
	client.SetLocalAddr(Addr(fmt.Sprintf("client-%d", l.dialed)))
	l.backlog = append(l.backlog, server)
	l.changed.Broadcast()
	return client, nil
}

// Refuse makes later Dials fail with err, until Refuse(nil).
func (l *Listener) Refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusal = err
}

// Close ends Accept and Dial and closes the connections nobody accepted. A
// second Close fails with net.ErrClosed.
func (l *Listener) Close() error {
	l.mu.Lock()
	waiting := l.backlog
	l.backlog = nil
	wasClosed := l.closed
	l.closed = true
	l.changed.Broadcast()
	l.mu.Unlock()
	for _, c := range waiting {
		c.Close()
	}
	if wasClosed {
		return l.opError("close", net.ErrClosed)
	}
	return nil
}

// Addr returns Addr("server").
func (l *Listener) Addr() net.Addr { return Addr("server") }

func (l *Listener) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "mem", Addr: l.Addr(), Err: err}
}
