package own

import (
	"sync"

	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
)

// keeper says whether a ping-pong stream keeps the payload that it has received, so that the next one
// is received into its memory. A stream at work does. One that is held idle carries a single message
// and keeps nothing of it, so the payload of the first message is never kept.
type keeper struct{ isAtWork bool }

// keep returns what is to be kept of a payload that is done with.
func (k *keeper) keep(p *pb.Payload) *pb.Payload {
	if !k.isAtWork {
		k.isAtWork = true
		return nil
	}
	return p
}

// responses are used again by streams that answer one request after the other.
var responses = sync.Pool{New: func() any { return new(pb.SimpleResponse) }}
