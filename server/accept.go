package server

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// Serve takes connections from lis until the server begins to end, and then returns
// ErrServerClosed, or until Accept fails for good, and then returns its error. It
// closes lis in any case. Options that cannot work are an error at once. Several
// listeners may be served at the same time.
//
// Serve does not wait for calls in progress, Shutdown does: a program that ends when
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
			s.cfg.log.Warn("server: accept failed, trying again", "error", err, "after", time.Duration(pause))
			pause.wait(s.stopping)
		}
	}
}

// ServeConn takes over one connection and serves it until it ends. The error is nil
// if both sides were done with it, and ErrServerClosed if the server had begun to end
// before.
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

// Dial connects to the server within the process, by a [net.Pipe]: with
// client.WithDialer(s.Dial) a channel needs no socket (C++ Server::InProcessChannel).
// The arguments are ignored, so the channel's target may be any name. The errors are
// ErrServerClosed, and that of Serve for options that cannot work.
func (s *Server) Dial(_ context.Context, _, _ string) (net.Conn, error) {
	if err := s.cfg.check(); err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	if !s.admit(far, nil) {
		_ = near.Close()
		return nil, ErrServerClosed
	}
	return near, nil
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

func (p *pause) lengthen() { *p = min(max(*p*2, minPause), maxPause) }

func (p pause) wait(stop <-chan struct{}) {
	t := time.NewTimer(time.Duration(p))
	defer t.Stop()
	select {
	case <-t.C:
	case <-stop:
	}
}

// isTemporary reports errors of Accept that say nothing about the listener: no descriptors or
// memory left, or a client that has gone again. A listener of the application says so by a method
// Temporary, as net/http has it.
func isTemporary(err error) bool {
	for _, errno := range [...]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	if t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err); ok && t.Temporary() {
		return true
	}
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
