package transport

import (
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// timerState is everything that happens because time passes. All timers are made by
// time.AfterFunc: one costs no goroutine until it fires. Guarded by Conn.mu, except lastRead.
type timerState struct {
	keepalive *time.Timer // next look at lastRead, or the PING's timeout; nil: dormant, there is nothing to ask for
	awaiting  bool        // a keepalive PING is unanswered
	extended  bool        // its timeout has been extended
	started   bool
	idle      *time.Timer  // MaxIdle
	age       *time.Timer  // MaxAge, then MaxAgeGrace
	drain     *time.Timer  // DrainTimeout; in the end see cutLaterLocked
	lastRead  atomic.Int64 // instant of the last batch read
}

// afterLocked runs f with mu held after d, unless the connection ends first.
func (c *Conn) afterLocked(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.state < closing {
			f()
		}
	})
}

// laterLocked runs f without mu, soon, on a goroutine: for the few decisions that are
// taken under mu and must be carried out without it. Unless the connection is closed
// already, it does not close before f has returned.
func (c *Conn) laterLocked(f func()) {
	if c.state == closed {
		go f()
		return
	}
	c.holders++
	go func() {
		defer c.leave()
		f()
	}()
}

func (t *timerState) stopLocked() {
	for _, timer := range []*time.Timer{t.keepalive, t.idle, t.age, t.drain} {
		if timer != nil {
			timer.Stop()
		}
	}
}

// cutGrace is how much later than its LingerTimeout a connection is cut.
const cutGrace = time.Second

// cutLaterLocked bounds the end of the connection where nothing else does: not every
// net.Conn has deadlines, those through SSH for example have none.
func (c *Conn) cutLaterLocked() {
	if c.timers.drain != nil {
		c.timers.drain.Stop()
	}
	c.timers.drain = time.AfterFunc(c.cfg.LingerTimeout+cutGrace, c.cut)
}

// cut closes the socket itself, also below TLS: Close of a *tls.Conn would first send an
// alert, and wait for whoever writes.
func (c *Conn) cut() {
	nc := c.nc
	if over, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = over.NetConn()
	}
	_ = nc.Close()
}

// touch notes that the peer is alive.
func (c *Conn) touch(t instant) {
	if c.cfg.Keepalive.Time > 0 {
		c.timers.lastRead.Store(int64(t))
	}
}

// startTimersLocked arms what the configuration asks for once the handshake is done.
func (c *Conn) startTimersLocked() {
	if c.state >= closing {
		return
	}
	c.timers.started = true
	c.touch(now())
	c.wakeKeepaliveLocked()
	if c.side == Server && c.cfg.MaxAge > 0 {
		c.timers.age = c.afterLocked(c.jittered(c.cfg.MaxAge), c.agedLocked)
	}
	c.armIdleLocked()
}

func (c *Conn) jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*c.cfg.Jitter()))
}

// wakeKeepaliveLocked arms the keepalive if there is something to ask for: streams, unless pinging without them is
// permitted. The silence so far counts (gRFC A8, Basic Keepalive).
func (c *Conn) wakeKeepaliveLocked() {
	k, t := &c.cfg.Keepalive, &c.timers
	if t.keepalive != nil || !t.started || k.Time <= 0 || c.isUnaskedLocked() {
		return
	}
	t.keepalive = c.afterLocked(max(k.Time-c.silence(), 0), c.keepaliveLocked)
}

// dropKeepaliveLocked frees the timer, if it is for nothing until a stream opens. One that has fired frees itself.
func (c *Conn) dropKeepaliveLocked() {
	t := &c.timers
	if t.keepalive != nil && !t.awaiting && c.isUnaskedLocked() && t.keepalive.Stop() {
		t.keepalive = nil
	}
}

// isUnaskedLocked reports whether a silent peer is not to be asked whether it is alive.
func (c *Conn) isUnaskedLocked() bool {
	return len(c.streams.table) == 0 && !c.cfg.Keepalive.PermitWithoutStreams
}

// silence is for how long nothing has been read.
func (c *Conn) silence() time.Duration { return (now() - instant(c.timers.lastRead.Load())).duration() }

// lateLook is how late a timer fires only in a process that was suspended or starved. Then the answer to a
// PING may have come and not have been read, so the peer gets its time again, once.
const lateLook = 100 * time.Millisecond

// keepaliveLocked looks whether the peer has been silent for Keepalive.Time.
func (c *Conn) keepaliveLocked() {
	k, t := &c.cfg.Keepalive, &c.timers
	silent := c.silence()
	switch {
	case t.awaiting && silent >= k.Timeout && !t.extended && c.isLateLocked():
		t.extended = true
		t.keepalive.Reset(k.Timeout)
	case t.awaiting && silent >= k.Timeout:
		c.laterLocked(c.keepaliveFailed)
	case silent < k.Time:
		t.awaiting = false
		t.keepalive.Reset(k.Time - silent)
	case c.isUnaskedLocked():
		t.keepalive, t.awaiting = nil, false
	default:
		t.awaiting, t.extended = true, false
		c.pings.addLocked(&c.control, ping{kind: pingKeepalive})
		c.kickLocked()
		t.keepalive.Reset(k.Timeout)
	}
}

// isLateLocked reports whether the timeout of the last keepalive PING was over a while ago.
func (c *Conn) isLateLocked() bool {
	for _, p := range slices.Backward(c.pings.outstanding) {
		if p.kind == pingKeepalive {
			return time.Since(p.sent) >= c.cfg.Keepalive.Timeout+lateLook
		}
	}
	return false
}

// keepaliveAnsweredLocked counts Keepalive.Time from the answer. The timer is set to Timeout, which may be longer.
func (c *Conn) keepaliveAnsweredLocked() {
	if c.timers.awaiting && c.state < closing {
		c.timers.keepalive.Reset(c.cfg.Keepalive.Time)
	}
	c.timers.awaiting = false
}

func (c *Conn) keepaliveFailed() {
	var lane cq.Lane
	c.shut(&shutdown{
		code: frame.EnhanceYourCalm, debug: "keepalive_timeout", cause: c.blame(ErrKeepaliveTimeout),
	}, &lane)
}

// occupiedLocked is called when the first stream has opened.
func (c *Conn) occupiedLocked() {
	t := &c.timers
	if t.idle != nil {
		t.idle.Stop()
	}
	c.wakeKeepaliveLocked()
}

// emptyLocked is called when the last stream ends.
func (c *Conn) emptyLocked() {
	c.armIdleLocked()
	c.drainedLocked()
}

// armIdleLocked sets the timer of MaxIdle. There is no stream.
func (c *Conn) armIdleLocked() {
	t := &c.timers
	switch {
	case c.side != Server || c.cfg.MaxIdle <= 0 || !t.started:
	case t.idle == nil:
		t.idle = c.afterLocked(c.jittered(c.cfg.MaxIdle), func() {
			if len(c.streams.table) == 0 {
				c.laterLocked(func() { c.drain(maxIdleReached) })
			}
		})
	default:
		t.idle.Reset(c.jittered(c.cfg.MaxIdle))
	}
}

// agedLocked drains a connection that reached MaxAge and bounds the drain by MaxAgeGrace.
func (c *Conn) agedLocked() {
	c.laterLocked(func() { c.drain(maxAgeReached) })
	if c.cfg.MaxAgeGrace > 0 {
		c.timers.age = c.afterLocked(c.cfg.MaxAgeGrace, func() { c.laterLocked(c.Close) })
	}
}
