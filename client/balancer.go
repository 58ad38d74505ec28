package client

import (
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/transport"
)

// These are the seams at which a channel will grow: several connections, a policy
// that chooses, per-method configuration from the service. Each has one
// implementation so far, and Channel knows none of them.

// balancer makes and keeps a channel's connections. It tells the channel its
// state, and what picks among the connections, by updates. Names are resolved
// at every round of attempts; a resolver that watches them would feed its
// addresses to a balancer.
//
// The only one keeps one connection: subchannel. Methods do not block and may
// be called concurrently.
type balancer interface {
	// connect asks for connections where there are none.
	connect()
	// resetBackoff ends waiting between rounds of attempts.
	resetBackoff()
	// release gives back a connection that takes no more streams.
	release(conn *transport.Conn, cause error)
	// idle gives up all connections until the next connect.
	idle()
	// close ends everything; calls in progress fail with cause.
	close(cause error)
}

// update is what a balancer tells its channel. Updates may overtake each other
// on their way; one with a lower seq than seen before is out of date.
type update struct {
	seq   uint64
	state State
	pick  picker // Ready only
	err   error  // TransientFailure, Idle: why
}

// picker chooses the connection for a call; it is immutable, and replaced when
// there is another choice.
type picker interface {
	// pick returns a connection of the balancer's, and who is at its other end.
	pick(pickInfo) (*transport.Conn, *call.Peer)
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
