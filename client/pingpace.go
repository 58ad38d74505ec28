package client

import (
	"sync/atomic"
	"time"
)

// minKeepalive is the least time between a client's keepalive PINGs (gRFC A8).
// Doubling a lesser value would change nothing.
const minKeepalive = 10 * time.Second

// pingPace is the keepalive time of connections that a channel makes from now on. It grows
// when a server asks for fewer pings; the others are asked less often, too.
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

// slowDown makes it half as often as a connection did that was thrown out (gRFC A8). Several that
// pinged alike slow it down once.
func (p *pingPace) slowDown(did time.Duration) {
	for {
		now := p.nanos.Load()
		if now >= int64(2*did) || p.nanos.CompareAndSwap(now, int64(2*did)) {
			return
		}
	}
}
