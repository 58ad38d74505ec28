package client

import (
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/transport"
)

// picker chooses the connection for a call; it is immutable, and replaced when
// there is another choice.
type picker interface {
	// pick returns a connection of the balancer's, and who is at its other end.
	pick(pickInfo) (*transport.Conn, *call.Peer)
	// without is what picks among the other connections, nil if there are none.
	without(conn *transport.Conn) picker
	// streams is how many streams are open on all of them.
	streams() int
	// String is one line for humans.
	String() string
}

// pickInfo is what the choice may depend on.
type pickInfo struct{ method, authority string }

// onlyOne picks the only connection.
type onlyOne struct {
	conn *transport.Conn
	peer *call.Peer
}

func newOnlyOne(conn *transport.Conn) onlyOne {
	return onlyOne{conn, &call.Peer{Addr: conn.RemoteAddr(), LocalAddr: conn.LocalAddr(), TLS: conn.TLS()}}
}

func (p onlyOne) pick(pickInfo) (*transport.Conn, *call.Peer) { return p.conn, p.peer }
func (p onlyOne) streams() int                                { return p.conn.NumStreams() }
func (p onlyOne) String() string                              { return p.conn.String() }

func (p onlyOne) without(conn *transport.Conn) picker {
	if p.conn == conn {
		return nil
	}
	return p
}
