package parity

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cqrpc/cqrpc/server"
)

// Serving says what to serve and how.
type Serving struct {
	Service          *Service        // nil: Standard
	Routes           []Route         // besides, for hosts of this library
	Doorway          *Doorway        // nil: any port
	MaxRecv, MaxSend int             // bytes, 0: the default
	Gzip             bool            // compress responses if the client accepts it
	Window           int             // receive window of streams, fixed; 0: as it comes
	MaxStreams       int             // at once on a connection, 0: the default
	MaxHeaderList    int             // bytes of metadata accepted, 0: the default
	Pings            bool            // ask an idle client every second whether it lives
	Options          []server.Option // besides, for hosts of this library
}

// OrStandard is the service to serve.
func (s Serving) OrStandard() *Service {
	if s.Service == nil {
		return Standard()
	}
	return s.Service
}

func (s Serving) listen() (net.Listener, error) {
	if s.Doorway != nil {
		return s.Doorway.Listen(), nil
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

// all is the routes to serve.
func (s Serving) all() []Route { return append(s.OrStandard().routes(), s.Routes...) }

// Host is a server that runs.
type Host struct {
	Address string
	Wire    *Wire
	Drain   func() // returns when the calls in progress have ended
	Stop    func() // at once
}

// HostKind makes servers of one style. Serve may not block.
type HostKind struct {
	Name  string
	Serve func(t *testing.T, lis net.Listener, c *Credentials, s Serving) (drain, stop func())
	Lacks []Feature
}

// Start serves until the test ends.
func (k HostKind) Start(t *testing.T, c *Credentials, s Serving) *Host {
	t.Helper()
	lis, err := s.listen()
	Want(t, "Listen", err)
	h := &Host{Address: lis.Addr().String(), Wire: &Wire{Listener: lis}}
	h.Drain, h.Stop = k.Serve(t, h.Wire, c, s)
	t.Cleanup(h.Stop)
	return h
}

// Wire is the server's end of all connections: it counts what crosses them, and
// cuts them. Its zero value wraps connections without a listener.
type Wire struct {
	net.Listener
	Received, Sent atomic.Int64 // bytes, by this end
	Connections    atomic.Int64 // accepted so far

	mu sync.Mutex
	// guarded by mu
	conns map[*wireConn]struct{}
}

// Accept implements net.Listener.
func (w *Wire) Accept() (net.Conn, error) {
	nc, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w.Connections.Add(1)
	return w.Wrap(nc), nil
}

// Wrap makes nc a connection of the wire.
func (w *Wire) Wrap(nc net.Conn) net.Conn {
	c := &wireConn{Conn: nc, wire: w}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conns == nil {
		w.conns = make(map[*wireConn]struct{})
	}
	w.conns[c] = struct{}{}
	return c
}

// Cut closes all connections as if the machine had died.
func (w *Wire) Cut() {
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
	wire *Wire
}

func (c *wireConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.wire.Received.Add(int64(n))
	return n, err
}

func (c *wireConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.wire.Sent.Add(int64(n))
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
