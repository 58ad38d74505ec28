package transport

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cqrpc/cqrpc/frame"
)

// connWindow is the receive window of the connection. Its bytes are credited as they are read, so it
// costs no memory here: it bounds what is on the way, in the sockets of both ends and between them.
//
// A stream that is alone may fill it. Among several, whatever is on the way delays the rest: the
// answer to a small call comes behind all that large messages have been given room for, which on
// loopback was 8 MB, or 10 ms. So several streams get room for what arrives in two of the shortest
// round trips, and InitialConnWindow at least.
type connWindow struct {
	left   atomic.Int32 // what the peer may still send
	target atomic.Int32 // at which left is kept; changes under Conn.mu

	// guarded by Conn.mu
	alone   int32   // target for one stream
	shared  int32   // target for several, 0: not known yet; the reader changes it, and reads it without the lock
	company instant // when there were several, so far as has been noticed; 0: never
	opened  uint32  // a count of streams that have been opened, then

	// reader only
	hasTrip bool
	trip    instant // the shortest round trip: others have waited behind what was on the way; before the first, its begin
}

const (
	// companyLasts is for how long the window stays shared when a stream is alone again: small calls
	// come and go.
	companyLasts = instant(time.Second)
	// maxFlat is how many measurements in a row have to bring no more than those before to say that the
	// path carries no more: some are made before a larger window takes effect.
	maxFlat = 3
	// lookStep bounds the bytes after which company is looked for.
	lookStep = 1 << 20
)

func (w *connWindow) init(cfg *Config, opened uint32) {
	w.left.Store(defaultWindow) // the flusher adds the rest with the first WINDOW_UPDATE
	w.alone = int32(cfg.InitialConnWindow)
	w.target.Store(w.alone)
	w.opened = opened
	w.trip = now()
}

// answered notes that a round trip has taken d.
func (w *connWindow) answered(d time.Duration) {
	if !w.hasTrip || instant(d) < w.trip {
		w.hasTrip, w.trip = true, instant(d)
	}
}

// greeted notes that SETTINGS have been acknowledged. The first time tells of a round trip, when
// little else was on its way.
func (w *connWindow) greeted() {
	if !w.hasTrip {
		w.answered((now() - w.trip).duration())
	}
}

// step is the credit that is worth a WINDOW_UPDATE.
func (w *connWindow) step() int32 { return w.target.Load() / 4 }

// takeConn counts a DATA frame of n octets, padding included, against the
// connection window, and returns credit for it.
func (c *Conn) takeConn(n int) error {
	w := &c.in.conn
	left := w.left.Add(-int32(n))
	if left < 0 {
		return &frame.ConnError{
			Code:   frame.FlowControlError,
			Reason: fmt.Sprintf("DATA of %d octets exceeds the connection window by %d", n, -left),
		}
	}
	if w.target.Load()-left < min(w.step(), lookStep) {
		return nil
	}
	c.mu.Lock()
	c.lookAroundLocked()
	c.creditConnLocked(w.step())
	c.mu.Unlock()
	return nil
}

// lookAroundLocked finds out whether the window is shared. Streams that have come and gone since it was
// last called count, but for one, which may be the successor of the last.
func (c *Conn) lookAroundLocked() {
	w := &c.in.conn
	opened := c.streams.nextID + c.streams.lastPeerID
	if len(c.streams.table) > 1 || opened-w.opened > 2 {
		w.company = now()
	}
	w.opened = opened
	c.aimLocked()
}

// aimLocked chooses the target.
func (c *Conn) aimLocked() {
	w := &c.in.conn
	if w.shared != 0 && w.company != 0 && now()-w.company < companyLasts {
		w.target.Store(w.shared)
	} else {
		w.target.Store(max(w.alone, w.shared))
	}
}

// creditConnLocked announces what is missing to the target, if it is least or more. A window that is
// beyond the target gets nothing until it has been used.
func (c *Conn) creditConnLocked(least int32) {
	w := &c.in.conn
	if due := w.target.Load() - w.left.Load() - c.control.connCredit; due >= least {
		c.control.connCredit += due
		c.kickLocked()
	}
}

// maxConnWindow is how far the window grows.
func (c *Conn) maxConnWindow() int64 { return min(2*int64(c.cfg.MaxWindow), maxWindowSize) }

// widenConnLocked makes the window at least n bytes for a stream that is alone, and may be sent so much.
func (c *Conn) widenConnLocked(n int64) {
	w := &c.in.conn
	if n = min(n, c.maxConnWindow()); n > int64(w.alone) {
		w.alone = int32(n)
		c.aimLocked()
		c.creditConnLocked(1)
	}
}

// partLocked makes a client say at once what it will have to say, when the server's GOAWAY has come. A server
// may close its socket as soon as it has written the end of the last stream, as hyper does, and so tonic: a
// WINDOW_UPDATE or PING that arrives after that makes its kernel reset the connection, and drop what it has not
// sent yet. So the window becomes as large as it ever may be, and nothing is measured any more. Reader only.
func (c *Conn) partLocked() {
	w := &c.in.conn
	c.in.isParting = true
	w.alone = int32(max(int64(w.alone), c.maxConnWindow()))
	w.shared = w.alone
	c.aimLocked()
	if len(c.streams.table) > 0 {
		c.creditConnLocked(w.step())
	}
}

// sizeShared makes the window of several streams hold what arrives in four round trips, while more
// and more does, and in two when three measurements in a row have not brought more; bandwidth is in
// bytes per second. It does so in steps worth telling. Reader only.
func (c *Conn) sizeShared(bandwidth float64) {
	w, b := &c.in.conn, c.bdp
	trips := 4.0
	if bandwidth > b.most*5/4 {
		b.flat = 0
	} else if b.flat = min(b.flat+1, maxFlat); b.flat == maxFlat {
		trips = 2
	}
	b.most = max(b.most, bandwidth)
	n := int64(trips * b.most * w.trip.duration().Seconds())
	n = max(min(n, c.maxConnWindow()), int64(c.cfg.InitialConnWindow))
	if shared := int64(w.shared); n < shared*5/4 && n > shared*3/4 {
		return
	}
	c.mu.Lock()
	w.shared = int32(n)
	c.aimLocked()
	c.creditConnLocked(w.step())
	c.mu.Unlock()
}
