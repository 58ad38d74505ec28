package transport

import (
	"fmt"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
)

// handshake reads what must come first: on a server the client's preface, on
// both sides SETTINGS (RFC 9113 section 3.4).
func (c *Conn) handshake() error {
	c.r.Await()
	if c.side == Server {
		if err := c.r.ReadPreface(); err != nil {
			return err
		}
	}
	f, err := c.r.Next()
	if err != nil {
		return err
	}
	if f.Type != http2.FrameSettings || f.Ack {
		f.Data.Free()
		first := f.Type.String()
		if f.Type == http2.FrameSettings {
			first = "an acknowledgement" // something before us has taken the peer's SETTINGS
		}
		return &frame.ConnError{
			Code: frame.ProtocolError, Reason: fmt.Sprintf("first frame is %s, not SETTINGS", first),
		}
	}
	c.readBy(0)
	return c.onSettings(&f)
}

// ready tells the handler that the handshake is complete and starts the timers.
func (c *Conn) ready() {
	c.mu.Lock()
	c.startTimersLocked()
	c.mu.Unlock()
	c.handler.OnReady()
}

func (c *Conn) greeted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer.received
}
