package client

import "fmt"

// Balancing says which of a name's addresses a channel connects to and which
// connection a call takes (gRPC load-balancing.md). For a value that is none of the
// constants NewChannel returns an error.
type Balancing uint8

const (
	// PickFirst connects to the first of the addresses that gets as far as HTTP/2. All
	// calls go there until that connection is lost.
	PickFirst Balancing = iota
	// RoundRobin connects to all addresses and has calls take turns on the connections
	// that are ready.
	RoundRobin
	// LeastRequest connects to all addresses. A call takes two of the connections that are ready,
	// by chance, and of these the one with fewer calls in progress (gRFC A48): for calls that differ
	// much in what they cost, and for servers that do.
	LeastRequest
)

var balancingNames = [...]string{"pick_first", "round_robin", "least_request_experimental"}

// String is the policy's name in service configurations.
func (b Balancing) String() string {
	if b.isKnown() {
		return balancingNames[b]
	}
	return fmt.Sprintf("Balancing(%d)", uint8(b))
}

// isToEach reports whether each address has a connection of its own.
func (b Balancing) isToEach() bool { return b != PickFirst }

func (b Balancing) isKnown() bool { return int(b) < len(balancingNames) }
