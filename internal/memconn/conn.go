package memconn

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Addr is an address of this network: any words that identify an end.
type Addr string

// Network returns "mem".
func (a Addr) Network() string { return "mem" }

func (a Addr) String() string { return string(a) }

// Conn is one end of an in-memory connection. Errors other than io.EOF are
// *net.OpError around os.ErrDeadlineExceeded, net.ErrClosed (this end is
// closed), syscall.EPIPE (the peer does not read any more) or what Fail gave.
type Conn struct {
	// immutable
	in, out *flow
	peer    *Conn

	mu sync.Mutex
	// guarded by mu
	local net.Addr
}

var _ net.Conn = (*Conn)(nil)

// Pipe returns the two ends of a new connection, with the addresses
// Addr("client") and Addr("server") and no faults.
func Pipe() (client, server *Conn) {
	up, down := newFlow(), newFlow()
	client = &Conn{in: down, out: up, local: Addr("client")}
	server = &Conn{in: up, out: down, local: Addr("server")}
	client.peer, server.peer = server, client
	return client, server
}

// Read takes bytes the peer wrote; it waits while there are none.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, c.opError("read", c.in.readable())
	}
	n, err := c.in.read(ownRoom(p))
	return n, c.opError("read", err)
}

// ReadInto is Read into what r.Take returns, which is not asked for while there
// is nothing to read: then r.Drop is called, and it waits (frame.PatientReader).
func (c *Conn) ReadInto(r room) (int, error) {
	n, err := c.in.read(r)
	return n, c.opError("read", err)
}

// Write hands p to the peer. It waits only while the write limit is reached;
// n < len(p) only together with an error.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.opError("write", err)
}

// TryWrite hands over what the write limit allows now, and does not wait.
func (c *Conn) TryWrite(p []byte) (int, error) {
	n, err := c.out.tryWrite(p)
	return n, c.opError("write", err)
}

// Close ends both directions: the peer reads what is buffered and then io.EOF,
// its writes fail with syscall.EPIPE, and every use of this end fails with
// net.ErrClosed. A second Close does too.
func (c *Conn) Close() error {
	wasClosed := false
	c.in.update(func() {
		wasClosed = c.in.abandoned
		c.in.abandoned = true
		c.in.readBy.disarm()
		c.in.buf.Reset()
	})
	c.out.update(func() {
		c.out.ended = true
		c.out.writeBy.disarm()
	})
	if wasClosed {
		return c.opError("close", net.ErrClosed)
	}
	return nil
}

// CloseWrite ends the outgoing direction only: the peer reads what is buffered
// and then io.EOF, and can still write.
func (c *Conn) CloseWrite() error {
	c.out.update(func() { c.out.ended = true })
	return nil
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.local
}

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.peer.LocalAddr() }

// SetLocalAddr changes the address of this end, which is what the peer sees as
// its remote address.
func (c *Conn) SetLocalAddr(addr net.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.local = addr
}

// SetDeadline sets the read and the write deadline.
func (c *Conn) SetDeadline(at time.Time) error {
	c.in.update(func() { c.in.readBy.arm(c.in, at) })
	c.out.update(func() { c.out.writeBy.arm(c.out, at) })
	return nil
}

// SetReadDeadline makes pending and later Reads fail once at has come, even if
// bytes are buffered. The zero time means never.
func (c *Conn) SetReadDeadline(at time.Time) error {
	c.in.update(func() { c.in.readBy.arm(c.in, at) })
	return nil
}

// SetWriteDeadline makes pending and later Writes fail once at has come. The
// zero time means never.
func (c *Conn) SetWriteDeadline(at time.Time) error {
	c.out.update(func() { c.out.writeBy.arm(c.out, at) })
	return nil
}

// opError dresses err as package net does. io.EOF stays bare: io.Reader's
// callers compare it.
func (c *Conn) opError(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &net.OpError{Op: op, Net: "mem", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
