package own

import (
	"sync"

	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
)

// keeper says whether a ping-pong stream keeps the payload that it has received, for the next one
// to be received into. A stream that is held idle carries one message, and keeps nothing of it; one that
// has had another is at work.
type keeper struct{ isAtWork bool }

// keep returns what is left of a payload that is done with.
func (k *keeper) keep(p *pb.Payload) *pb.Payload {
	if !k.isAtWork {
		k.isAtWork = true
		return nil
	}
	return p
}

// responses are used again by streams that answer one request after the other.
var responses = sync.Pool{New: func() any { return new(pb.SimpleResponse) }}
