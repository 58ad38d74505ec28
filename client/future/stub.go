package future

import (
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/station"
)

// Stub is where calls are made from: a channel, and a queue of an environment
// which all of them live on. All functions that take one may be called
// concurrently.
type Stub struct {
	// immutable
	channel *client.Channel
	home    *station.Station
}

// New returns a stub on the next queue of env. To spread the calls of a channel
// over several queues, make several stubs. A stub holds nothing and needs no end.
func New(ch *client.Channel, env *future.Environment) *Stub {
	return &Stub{channel: ch, home: env.Station()}
}
