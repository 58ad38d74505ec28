package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"

	"github.com/cqrpc/cqrpc/call"
)

// admit makes nc a connection of the server. It reports false, and closes nc,
// if the server is at its end. ended is told when the connection has ended.
func (s *Server) admit(nc net.Conn, ended chan error) bool {
	c := &conn{server: s, ended: ended, limit: int64(s.cfg.transport.MaxConcurrentStreams)}
	c.unread.Open(s.unread)
	if !s.addConn(c, nc) {
		_ = nc.Close()
		return false
	}
	if _, isTLS := nc.(*tls.Conn); isTLS || s.cfg.secure != nil {
		go c.handshake(nc)
	} else {
		c.establish(nc)
	}
	return true
}

func (s *Server) addConn(c *conn, nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == stopping {
		return false
	}
	s.phase.to(serving)
	c.securing = nc
	if n := len(*s.queues.Load()); n > 0 {
		c.home = s.homes % n
	}
	s.homes++
	s.open++
	s.conns[c] = struct{}{}
	return true
}

var errTLSPanicked = errors.New("panic in TLS configuration")

// handshake secures the connection. It has a goroutine of its own, as a client may
// take its time.
func (c *conn) handshake(nc net.Conn) {
	ctx := context.Background()
	if limit := c.server.cfg.transport.HandshakeTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	hasReturned := false
	defer func() {
		if !hasReturned { // a panic of the application's, or runtime.Goexit
			_ = nc.Close()
			c.server.onPanic("", recover(), debug.Stack())
			c.OnClosed(errTLSPanicked)
		}
	}()
	tc, err := c.server.secure(ctx, nc)
	hasReturned = true
	if err != nil {
		c.server.cfg.log.Warn("server: connection failed", "peer", nc.RemoteAddr(), "cause", err)
		c.OnClosed(err)
		return
	}
	c.establish(tc)
}

// secure performs the TLS handshake. A listener that makes TLS connections
// itself left only the handshake to do.
func (s *Server) secure(ctx context.Context, nc net.Conn) (net.Conn, error) {
	tc, isTLS := nc.(*tls.Conn)
	if !isTLS {
		return s.cfg.secure(ctx, nc)
	}
	err := tc.HandshakeContext(ctx)
	if p := tc.ConnectionState().NegotiatedProtocol; err == nil && p != "h2" {
		err = fmt.Errorf("the TLS listener agreed on ALPN protocol %q; its tls.Config.NextProtos should offer h2", p)
	}
	if err != nil {
		_ = tc.Close()
		return nil, err
	}
	return nc, nil
}

// establish starts HTTP/2 on a connection.
func (c *conn) establish(nc net.Conn) {
	s := c.server
	c.peer = call.Peer{Addr: nc.RemoteAddr(), LocalAddr: nc.LocalAddr()}
	if tc, ok := nc.(*tls.Conn); ok {
		state := tc.ConnectionState()
		c.peer.TLS = &state
	}
	s.mu.Lock()
	c.securing = nil
	s.mu.Unlock()

	t := s.setup.Start(nc, c)
	s.mu.Lock()
	c.transport = t
	drain, cut := s.phase == stopping, c.cut
	s.mu.Unlock()
	switch {
	case cut:
		t.CloseWith(errCancelled)
	case drain:
		t.Drain()
	}
}
