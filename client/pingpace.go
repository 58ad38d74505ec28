package client

import (
	"sync/atomic"
	"time"
)

// minKeepalive is the least time between a client's keepalive PINGs (gRFC A8): the
// transport would raise a smaller one, and doubling that would change nothing.
const minKeepalive = 10 * time.Second

// pingPace is the keepalive time of connections that a channel makes from now on. When one
// server asks for fewer pings it grows for all servers of the channel.
type pingPace struct{ nanos atomic.Int64 }

func newPingPace(every time.Duration) *pingPace {
	if every > 0 {
		every = max(every, minKeepalive)
	}
	p := new(pingPace)
	p.nanos.Store(int64(every))
	return p
}

func (p *pingPace) get() time.Duration { return time.Duration(p.nanos.Load()) }

// slowDown makes it twice the keepalive time of a connection that was closed for too many pings
// (gRFC A8). Several connections with the same keepalive time double it once.
func (p *pingPace) slowDown(did time.Duration) {
	for {
		now := p.nanos.Load()
		if now >= int64(2*did) || p.nanos.CompareAndSwap(now, int64(2*did)) {
			return
		}
	}
}
