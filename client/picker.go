package client

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/transport"
)

// picker chooses the connection for a call; it is immutable, and replaced when
// there is another choice.
type picker interface {
	// pick returns a connection of the balancer's, and who is at its other end.
	pick(pickInfo) (*transport.Conn, *call.Peer)
	// without returns a picker of the other connections, nil if there are none.
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

// inTurn picks one connection after the other.
type inTurn struct {
	conns []onlyOne      // at least one
	turn  *atomic.Uint64 // kept when the picker is replaced, so that no connection is preferred
}

func (p *inTurn) pick(info pickInfo) (*transport.Conn, *call.Peer) {
	return p.conns[p.turn.Add(1)%uint64(len(p.conns))].pick(info)
}

func (p *inTurn) without(conn *transport.Conn) picker {
	rest := slices.DeleteFunc(slices.Clone(p.conns), func(c onlyOne) bool { return c.conn == conn })
	if len(rest) == 0 {
		return nil
	}
	return &inTurn{rest, p.turn}
}

func (p *inTurn) streams() int {
	n := 0
	for _, c := range p.conns {
		n += c.streams()
	}
	return n
}

func (p *inTurn) String() string { return fmt.Sprintf("%d connections%v", len(p.conns), p.conns) }
