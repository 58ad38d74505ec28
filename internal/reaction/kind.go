package reaction

import "math/bits"

// Kind is a kind of operation; of each at most one is outstanding. Reactions to
// what has ended at the same time run in this order.
type Kind uint8

// The kinds. Close exists on servers, WritesDone on clients only.
const (
	Header     Kind = iota // initial metadata: received by a client, sent by a server
	Write                  // SEND_MESSAGE
	WritesDone             // SEND_CLOSE
	Read                   // RECV_MESSAGE
	Close                  // RECV_CLOSE
	Final                  // the status: RECV_STATUS, SEND_STATUS
)

// Set is a set of kinds.
type Set uint8

// All is every kind.
const All Set = 1<<(Final+1) - 1

// Of returns the set of some kinds.
func Of(kinds ...Kind) (s Set) {
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

// Has reports whether k is in the set.
func (s Set) Has(k Kind) bool { return s&(1<<k) != 0 }

// first returns the lowest kind of a set that is not empty.
func (s Set) first() Kind { return Kind(bits.TrailingZeros8(uint8(s))) }
