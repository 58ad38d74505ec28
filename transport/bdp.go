package transport

import "time"

// bdpState estimates the bandwidth-delay product: how much arrives in one round
// trip. When that comes near the window, the window is what limits the peer, and
// it grows. There is one once half a window has come, until the connection rests. Reader only.
//
//	resting ──half a window came──► asking ──answered──► probing
//	   ▲                              ▲                     │
//	   │                              └──the window grew────┤
//	   └──it is large enough, or not used, or time is over──┘
//
// A PING tells how long a round trip is and, sent after a window has grown, when the
// growth takes effect. Only bytes that come after its answer count, because a peer that
// had to wait for the window sends a whole window at once, and then nothing. So a window
// that is much too small grows once per round trip. Between two PINGs there is always DATA
// sent after the first, so a server counts no ping strike (gRFC A8).
type bdpState struct {
	phase bdpPhase
	began instant       // probing: when
	rtt   time.Duration // probing: of the PING before it
	best  float64       // bytes per second that the window has brought to one stream
	most  float64       // bytes per second that have come on all streams, at most
	flat  uint8         // for how many measurements that has not become more, up to maxFlat
	held  instant       // when growth was refused last
	top   busiest       // probing: of the streams
}

// heldFor is how long nothing is measured when growth was refused: that costs a look at every stream.
const heldFor = instant(100 * time.Millisecond)

type bdpPhase uint8

const (
	bdpResting bdpPhase = iota
	bdpAsking           // a PING is on its way
	bdpProbing
)

// bdpEnter is the only place that changes a phase.
func (c *Conn) bdpEnter(p bdpPhase) { c.bdp.phase, c.bdp.top, c.in.came = p, busiest{}, 0 }

// countBytes feeds the estimator. A PING is sent only after a good part of a window
// has arrived, of a stream or of several together, so small messages never pay.
func (c *Conn) countBytes(id uint32, n int64) {
	if c.in.isParting { // see partLocked
		return
	}
	window := c.in.streamWindow.Load()
	if c.bdp != nil && c.bdp.phase == bdpProbing {
		c.bdp.top.add(id, n)
	}
	part := window
	if shared := int64(c.in.conn.shared); shared != 0 {
		part = min(part, shared)
	}
	if c.in.came += n; c.in.came < part/2 || c.isWideEnough(window) {
		return
	}
	if c.bdp == nil {
		c.bdp = new(bdpState)
	}
	switch c.bdp.phase {
	case bdpResting:
		if c.bdp.held != 0 && now()-c.bdp.held < heldFor {
			c.in.came = 0
			return
		}
		c.ask()
	case bdpProbing:
		c.judge(window, (now() - c.bdp.began).duration())
	}
}

// isWideEnough reports whether no window is to grow any more.
func (c *Conn) isWideEnough(window int64) bool {
	return window >= int64(c.cfg.MaxWindow) && int64(c.in.conn.shared) >= c.maxConnWindow()
}

func (c *Conn) ask() {
	c.bdpEnter(bdpResting)
	if c.isWideEnough(c.in.streamWindow.Load()) {
		return
	}
	c.mu.Lock()
	if c.pings.addLocked(&c.control, ping{kind: pingBDP}) {
		c.bdpEnter(bdpAsking)
	}
	c.kickLocked()
	c.mu.Unlock()
}

func (c *Conn) onBDPAnswer(rtt time.Duration) {
	b := c.bdp
	if b == nil {
		return // the connection has rested meanwhile
	}
	c.bdpEnter(bdpProbing)
	b.began, b.rtt = now(), rtt
}

// judge grows the window when a whole window of one stream has arrived within one and a half round trips,
// and only while growing still raises the bandwidth: twofold, or fourfold if one round trip
// was enough, for then the right size may be far. So it ends below four times the product.
// A bandwidth that was measured too high, for example from bytes that had waited in the
// socket, fades while windows stay full.
func (c *Conn) judge(window int64, took time.Duration) {
	b := c.bdp
	if took <= b.rtt*3/2 && b.top.most < window {
		return
	}
	trip := max(took, b.rtt, 1).Seconds()
	c.sizeShared(float64(c.in.came) / trip)
	bandwidth := float64(b.top.most) / trip
	factor := int64(2)
	if took <= b.rtt {
		factor = 4
	}
	switch {
	case took > b.rtt*3/2:
		c.bdpEnter(bdpResting)
	case bandwidth <= b.best:
		b.best -= b.best / 8
		c.bdpEnter(bdpResting)
	case c.growWindows(min(factor*window, int64(c.cfg.MaxWindow))):
		b.best = bandwidth
		c.ask()
	default:
		b.held = now()
		c.bdpEnter(bdpResting)
	}
}
