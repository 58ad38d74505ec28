package client

import "fmt"

// State is the connectivity of a channel (gRPC connectivity-semantics-and-api.md). With
// one connection:
//
//	Idle --call or Connect--> Connecting --SETTINGS received--> Ready
//	  ^                         |    ^                            |
//	  |                  failed |    | (stays TransientFailure    |
//	  |                         v    |  while it tries again)     |
//	  |                   TransientFailure --connected--> Ready   |
//	  +----- idle timeout, GOAWAY, connection lost ---------------+
//	         (twice in a row at once: TransientFailure)
//
//	any --Close--> Shutdown
//
// With several, see WithBalancing and WithConnections, it is Ready if any of them is, else
// Connecting if any address is tried for the first time or after a loss, else
// TransientFailure, and Idle only before the first call and after the idle timeout. See
// WithHealthCheck for what else Ready may need.
type State uint8

const (
	// Idle: no connection and none wanted.
	Idle State = iota
	// Connecting: the first round of attempts is being made; calls wait.
	Connecting
	// Ready: at least one connection is there.
	Ready
	// TransientFailure: the last round failed, at every address. Another follows
	// after a back-off; meanwhile calls fail unless they wait for ready.
	TransientFailure
	// Shutdown: Close was called.
	Shutdown
)

var stateNames = [...]string{"IDLE", "CONNECTING", "READY", "TRANSIENT_FAILURE", "SHUTDOWN"}

// String is the state's name in the gRPC documents.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// moveLocked is the only place that changes a channel's state. It returns who
// watched for that, to be told after unlocking. Nothing follows Shutdown.
func (ch *Channel) moveLocked(next State) watched {
	if ch.state == Shutdown && next != Shutdown {
		panic(fmt.Sprintf("BUG: client: channel %v -> %v", ch.state, next))
	}
	if ch.state == Idle && next != Shutdown {
		ch.armIdleLocked()
	}
	ch.state = next
	return ch.watch.takeLocked(next)
}
