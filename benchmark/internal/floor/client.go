package floor

import (
	"encoding/binary"
	"io"
	"net"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
)

// client is its own only Conn: every slot has a TCP connection.
type client struct {
	setup load.Setup
	slots []*slot
}

// NewClient returns a client of blocks.
func NewClient(setup load.Setup) (load.Client, error) { return &client{setup: setup}, nil }

func (c *client) Dial() (load.Conn, error) { return c, nil }

// Close implements load.Client.
func (c *client) Close() error {
	for _, s := range c.slots {
		if s.conn != nil {
			s.conn.Close()
		}
	}
	return nil
}

func (c *client) Unary(t *load.Turn) load.Slot    { return c.slot(t, echo) }
func (c *client) PingPong(t *load.Turn) load.Slot { return c.slot(t, echo) }
func (c *client) Down(t *load.Turn) load.Slot     { return c.slot(t, down) }
func (c *client) Up(t *load.Turn) load.Slot       { return c.slot(t, up) }

type slot struct {
	client *client
	kind   kind
	conn   net.Conn
	block  []byte
}

func (c *client) slot(t *load.Turn, k kind) load.Slot {
	s := &slot{client: c, kind: k, block: make([]byte, max(c.setup.Size, 1))}
	c.slots = append(c.slots, s)
	return load.Blocking(t, s.once)
}

func (s *slot) once() (err error) {
	if s.conn == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	if s.kind != down {
		if _, err := s.conn.Write(s.block); err != nil {
			return err
		}
	}
	if s.kind != up {
		_, err = io.ReadFull(s.conn, s.block)
	}
	return err
}

func (s *slot) open() (err error) {
	if s.conn, err = net.Dial("tcp", s.client.setup.Addr); err != nil {
		return err
	}
	head := [greeting]byte{byte(s.kind)}
	binary.BigEndian.PutUint32(head[1:], uint32(len(s.block)))
	_, err = s.conn.Write(head[:])
	return err
}
