package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/cqrpc/cqrpc/call"
)

// Serve takes connections from lis until the end of the server begins, then returns
// ErrServerClosed, or until Accept fails for good, then returns its error. It
// closes lis in any case; options that contradict each other are an error at
// once. Several listeners may be served at once.
//
// It does not wait for calls in progress, Shutdown does: a program that ends when
// Serve has returned cuts them off.
func (s *Server) Serve(lis net.Listener) error {
	defer lis.Close()
	if err := s.cfg.check(); err != nil {
		return err
	}
	if !s.addListener(lis) {
		return ErrServerClosed
	}
	defer s.removeListener(lis)
	var pause pause
	for {
		nc, err := lis.Accept()
		switch {
		case err == nil:
			pause = 0
			s.admit(nc, nil)
		case isClosed(s.stopping):
			return ErrServerClosed
		case !isTemporary(err):
			return err
		default:
			pause.lengthen()
			s.cfg.logger.Warn("server: accept failed, trying again", "error", err, "after", time.Duration(pause))
			pause.wait(s.stopping)
		}
	}
}

// ServeConn serves one connection, which it takes over, until that ends. The
// error is nil if both ends were done with it, and ErrServerClosed if the
// server had ended before.
func (s *Server) ServeConn(nc net.Conn) error {
	if err := s.cfg.check(); err != nil {
		_ = nc.Close()
		return err
	}
	ended := make(chan error, 1)
	if !s.admit(nc, ended) {
		return ErrServerClosed
	}
	return <-ended
}

func (s *Server) addListener(lis net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == stopping {
		return false
	}
	s.phase.to(serving)
	s.listeners[lis] = struct{}{}
	return true
}

func (s *Server) removeListener(lis net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, lis)
}

// pause is how long the accept loop rests after an error that may pass, such
// as a full table of file descriptors: trying at once would only burn a core.
type pause time.Duration

const (
	minPause = pause(5 * time.Millisecond)
	maxPause = pause(time.Second)
)

func (p *pause) lengthen() { *p = min(max(2**p, minPause), maxPause) }

func (p pause) wait(stop <-chan struct{}) {
	t := time.NewTimer(time.Duration(p))
	defer t.Stop()
	select {
	case <-t.C:
	case <-stop:
	}
}

// isTemporary reports errors of Accept that say nothing about the listener:
// no descriptors or memory left, or a client that has gone again.
func isTemporary(err error) bool {
	for _, errno := range [...]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// admit makes nc a connection of the server. It reports false, and closes nc,
// if the server is at its end. ended is told when the connection has ended.
func (s *Server) admit(nc net.Conn, ended chan error) bool {
	c := &conn{server: s, ended: ended, limit: int64(s.cfg.transport.MaxConcurrentStreams)}
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

// handshake secures the connection. Each has its own goroutine meanwhile, as a
// client may take its time.
func (c *conn) handshake(nc net.Conn) {
	ctx := context.Background()
	if limit := c.server.cfg.transport.HandshakeTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	tc, err := c.server.secure(ctx, nc)
	if err != nil {
		c.server.cfg.logger.Warn("server: connection failed", "peer", nc.RemoteAddr(), "cause", err)
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
