package conformance

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
)

// serving says what to serve and how.
type serving struct {
	service          *testservice.Service // nil: as the interop tests want it, grpc-go with its own
	address          string               // "": any port
	maxRecv, maxSend int                  // bytes, 0: the default
	gzip             bool                 // compress responses if the client accepts it
	window           int                  // receive window of streams, fixed; 0: as it comes
	maxStreams       int                  // at once on a connection, 0: the default
	pings            bool                 // ask an idle client every second whether it lives
}

// host is a server that runs.
type host struct {
	address string
	wire    *wire
	drain   func() // returns when the calls in progress have ended
	stop    func() // at once
}

// hostKind makes servers of one make. serve may not block.
type hostKind struct {
	name  string
	serve func(t *testing.T, lis net.Listener, c *credentials, s serving) (drain, stop func())
}

// start serves until the test ends.
func (k hostKind) start(t *testing.T, c *credentials, s serving) *host {
	t.Helper()
	address := s.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	lis, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{address: lis.Addr().String(), wire: &wire{Listener: lis, conns: make(map[*wireConn]struct{})}}
	h.drain, h.stop = k.serve(t, h.wire, c, s)
	t.Cleanup(h.stop)
	return h
}

// wire is the server's end of all connections: it counts what crosses them, and
// cuts them.
type wire struct {
	net.Listener
	received, sent atomic.Int64 // bytes, by the server

	mu sync.Mutex
	// guarded by mu
	conns map[*wireConn]struct{}
}

func (w *wire) Accept() (net.Conn, error) {
	nc, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &wireConn{Conn: nc, wire: w}
	w.mu.Lock()
	w.conns[c] = struct{}{}
	w.mu.Unlock()
	return c, nil
}

// cut closes all connections as if the machine had died.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		if tc, ok := c.Conn.(*net.TCPConn); ok {
			_ = tc.SetLinger(0) // RST, not FIN
		}
		_ = c.Conn.Close()
	}
}

type wireConn struct {
	net.Conn
	wire *wire
}

func (c *wireConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.wire.received.Add(int64(n))
	return n, err
}

func (c *wireConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.wire.sent.Add(int64(n))
	return n, err
}

func (c *wireConn) Close() error {
	c.wire.mu.Lock()
	delete(c.wire.conns, c)
	c.wire.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets the transport half-close, as it could without a wire.
func (c *wireConn) CloseWrite() error {
	if tc, ok := c.Conn.(*net.TCPConn); ok {
		return tc.CloseWrite()
	}
	return nil
}
