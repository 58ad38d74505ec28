package client

import (
	"fmt"
	"math/rand/v2"
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
	// streams is how many calls have streams on all of them.
	streams() int
	// String is one line for humans.
	String() string
}

// pickInfo is what the choice may depend on.
type pickInfo struct{ method, authority string }

// single picks the only connection.
type single struct {
	conn  *transport.Conn
	peer  *call.Peer
	aside int // streams that are no calls
}

func newSingle(conn *transport.Conn) single {
	peer := &call.Peer{Addr: conn.RemoteAddr(), LocalAddr: conn.LocalAddr(), TLS: conn.TLS()}
	return single{conn: conn, peer: peer}
}

func (p single) pick(pickInfo) (*transport.Conn, *call.Peer) { return p.conn, p.peer }
func (p single) streams() int                                { return max(p.conn.NumStreams()-p.aside, 0) }
func (p single) String() string                              { return p.conn.String() }

func (p single) without(conn *transport.Conn) picker {
	if p.conn == conn {
		return nil
	}
	return p
}

// several are the connections that a picker chooses from, at least one.
type several []single

// except returns the others, nil if there are none.
func (s several) except(conn *transport.Conn) several {
	rest := slices.DeleteFunc(slices.Clone(s), func(c single) bool { return c.conn == conn })
	if len(rest) == 0 {
		return nil
	}
	return rest
}

func (s several) streams() int {
	n := 0
	for _, c := range s {
		n += c.streams()
	}
	return n
}

func (s several) String() string { return fmt.Sprintf("%d connections%v", len(s), []single(s)) }

// roundRobin picks one connection after the other.
type roundRobin struct {
	several

	turn *atomic.Uint64 // kept when the picker is replaced, so that no connection is preferred
}

func (p *roundRobin) pick(info pickInfo) (*transport.Conn, *call.Peer) {
	return p.several[p.turn.Add(1)%uint64(len(p.several))].pick(info)
}

func (p *roundRobin) without(conn *transport.Conn) picker {
	if rest := p.except(conn); rest != nil {
		return &roundRobin{rest, p.turn}
	}
	return nil
}

// leastRequest picks the less busy of two connections that it takes by chance. To look at all would
// have every client choose the same server, the one that is least busy for the moment; two make
// nearly as good a choice, and cost the same however many there are (gRFC A48).
type leastRequest struct{ several }

func (p *leastRequest) pick(info pickInfo) (*transport.Conn, *call.Peer) {
	n := len(p.several)
	i := rand.IntN(n)
	chosen := p.several[i]
	if n > 1 {
		if other := p.several[(i+1+rand.IntN(n-1))%n]; other.conn.Load() < chosen.conn.Load() {
			chosen = other
		}
	}
	return chosen.pick(info)
}

func (p *leastRequest) without(conn *transport.Conn) picker {
	if rest := p.except(conn); rest != nil {
		return &leastRequest{rest}
	}
	return nil
}
