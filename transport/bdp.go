package transport

import "time"

// bdpState estimates the bandwidth-delay product: how much arrives in one round
// trip. When that comes near the window, the window is what limits the peer,
// so it is doubled. Reader only.
type bdpState struct {
	bytes   int64 // DATA since the sample began
	idle    int64 // DATA since the last sample ended
	sampled bool  // a PING is on its way
	best    float64
}

// countBytes feeds the estimator. A sample, which costs a PING, begins only
// after a good part of a window has arrived, so small messages never pay.
func (c *Conn) countBytes(n int64) {
	if c.cfg.MaxWindow == 0 {
		return
	}
	b := &c.bdp
	if b.sampled {
		b.bytes += n
		return
	}
	b.idle += n
	if b.idle < c.in.streamWindow.Load()/2 {
		return
	}
	c.mu.Lock()
	b.sampled = c.pings.addLocked(&c.control, ping{kind: pingBDP})
	c.kickLocked()
	c.mu.Unlock()
	b.bytes, b.idle = n, 0
}

// onBDPAnswer ends a sample. The window grows when more than two thirds of it
// arrived in the round trip, and only while that also raised the bandwidth.
func (c *Conn) onBDPAnswer(rtt time.Duration) {
	b := &c.bdp
	b.sampled = false
	window := c.in.streamWindow.Load()
	if b.bytes < window*2/3 || window >= int64(c.cfg.MaxWindow) {
		return
	}
	bandwidth := float64(b.bytes) / max(rtt.Seconds(), 1e-9)
	if bandwidth <= b.best {
		return
	}
	b.best = bandwidth
	c.growWindows(min(max(2*b.bytes, 2*window), int64(c.cfg.MaxWindow)))
}
