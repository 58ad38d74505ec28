// Package floor is bytes over TCP with no protocol: what the kernel leaves of
// the machine to the layers above. A connection begins with one byte for the
// kind of work and four for the size; then there are blocks of that size.
package floor

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/cqrpc/cqrpc/benchmark/internal/service"
)

// kind is what a connection is for.
type kind byte

const (
	echo kind = iota // blocks there and back
	down             // blocks to the client
	up               // blocks to the server
)

// greeting is the length of what a connection begins with.
const greeting = 5

// server has a goroutine per connection.
type server struct {
	mu      sync.Mutex
	open    map[io.Closer]bool // nil: closed
	serving sync.WaitGroup
}

// NewServer returns a server of blocks.
func NewServer(service.Setting) (service.Server, error) {
	return &server{open: make(map[io.Closer]bool)}, nil
}

// add remembers what Close closes, or closes it.
func (s *server) add(c io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		c.Close()
		return false
	}
	s.open[c] = true
	s.serving.Add(1)
	return true
}

func (s *server) remove(c io.Closer) {
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
	c.Close()
	s.serving.Done()
}

// Serve implements service.Server.
func (s *server) Serve(lis net.Listener) error {
	if !s.add(lis) {
		return nil
	}
	defer s.remove(lis)
	for {
		nc, err := lis.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if s.add(nc) {
			go func() {
				defer s.remove(nc)
				serve(nc)
			}()
		}
	}
}

// serve does what the client wants until it has enough.
func serve(nc net.Conn) {
	var head [greeting]byte
	if _, err := io.ReadFull(nc, head[:]); err != nil {
		return
	}
	block := make([]byte, min(binary.BigEndian.Uint32(head[1:]), service.MaxMessage))
	for {
		if kind(head[0]) != down {
			if _, err := io.ReadFull(nc, block); err != nil {
				return
			}
		}
		if kind(head[0]) != up {
			if _, err := nc.Write(block); err != nil {
				return
			}
		}
	}
}

// Close implements service.Server.
func (s *server) Close() error {
	s.mu.Lock()
	open := s.open
	s.open = nil
	s.mu.Unlock()
	for c := range open {
		c.Close()
	}
	s.serving.Wait()
	return nil
}
