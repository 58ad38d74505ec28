package transport

import "time"

// bdpState estimates the bandwidth-delay product: how much arrives in one round
// trip. When that comes near the window, the window is what limits the peer, and
// it grows. Reader only.
//
//	resting ──half a window came──► asking ──answered──► probing
//	   ▲                              ▲                     │
//	   │                              └──the window grew────┤
//	   └────────────it is large enough, or time is over─────┘
//
// A PING tells how long a round trip is and, sent after a window has grown, when the
// growth takes effect. Only bytes that come after its answer count, because a peer that
// had to wait for the window sends a whole window at once, and then nothing. So a window
// that is much too small grows once per round trip. Between two PINGs there is always DATA
// sent after the first, so a server counts no ping strike (gRFC A8).
type bdpState struct {
	phase bdpPhase
	bytes int64         // DATA since the phase began
	began time.Time     // probing: when
	rtt   time.Duration // probing: of the PING before it
	best  float64       // bytes per second that windows have brought
}

type bdpPhase uint8

const (
	bdpResting bdpPhase = iota
	bdpAsking           // a PING is on its way
	bdpProbing
)

// enter is the only place that changes a phase.
func (b *bdpState) enter(p bdpPhase) { b.phase, b.bytes = p, 0 }

// countBytes feeds the estimator. A PING is sent only after a good part of a window
// has arrived, so small messages never pay.
func (c *Conn) countBytes(n int64) {
	b, window := &c.bdp, c.in.streamWindow.Load()
	if window >= int64(c.cfg.MaxWindow) {
		return
	}
	b.bytes += n
	switch {
	case b.phase == bdpResting && b.bytes >= window/2:
		c.ask()
	case b.phase == bdpProbing && b.bytes >= window/2:
		c.judge(window, time.Since(b.began))
	}
}

func (c *Conn) ask() {
	c.bdp.enter(bdpResting)
	if c.in.streamWindow.Load() >= int64(c.cfg.MaxWindow) {
		return
	}
	c.mu.Lock()
	if c.pings.addLocked(&c.control, ping{kind: pingBDP}) {
		c.bdp.enter(bdpAsking)
	}
	c.kickLocked()
	c.mu.Unlock()
}

func (c *Conn) onBDPAnswer(rtt time.Duration) {
	c.bdp.enter(bdpProbing)
	c.bdp.began, c.bdp.rtt = time.Now(), rtt
}

// judge grows the window when a whole window has arrived within one and a half round trips,
// and only while growing still raises the bandwidth: twofold, or fourfold if one round trip
// was enough, for then the right size may be far. So it ends below four times the product.
// A bandwidth that was measured too high, for example from bytes that had waited in the
// socket, fades while windows stay full.
func (c *Conn) judge(window int64, took time.Duration) {
	b := &c.bdp
	bandwidth := float64(b.bytes) / max(took, b.rtt, 1).Seconds()
	switch {
	case took > b.rtt*3/2:
		b.enter(bdpResting)
	case b.bytes < window:
	case bandwidth <= b.best:
		b.best -= b.best / 8
		b.enter(bdpResting)
	default:
		b.best = bandwidth
		factor := int64(2)
		if took <= b.rtt {
			factor = 4
		}
		c.growWindows(min(factor*window, int64(c.cfg.MaxWindow)))
		c.ask()
	}
}
