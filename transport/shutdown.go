package transport

import (
	"errors"
	"fmt"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// shutdown is a decision to end the connection.
type shutdown struct {
	code      frame.ErrCode
	debug     string // GOAWAY debug data
	cause     error  // told to streams
	isOrderly bool   // no fault of anyone: the handler is told nil
	mute      bool   // the socket is dead: no GOAWAY
}

// Close ends the connection now: every stream is closed with ConnLost, GOAWAY
// NO_ERROR is sent if the socket takes it, and the socket is closed at the
// latest after LingerTimeout. Idempotent.
func (c *Conn) Close() { c.CloseWith(nil) }

// CloseWith is Close with a cause for the streams that it ends.
func (c *Conn) CloseWith(cause error) {
	if cause == nil {
		cause = ErrClosed
	}
	var lane cq.Lane
	c.shut(&shutdown{code: frame.NoError, cause: cause, isOrderly: true}, &lane)
}

// shut begins the end: closing state, final GOAWAY, all streams closed. The
// reader then lingers, and the last to leave closes the socket. Only the first
// call acts.
func (c *Conn) shut(s *shutdown, lane *cq.Lane) {
	c.mu.Lock()
	if c.state >= closing {
		c.mu.Unlock()
		return
	}
	c.state.to(closing)
	c.holders++
	c.stopped.Store(true)
	c.cause = s.cause
	c.isOrderly = s.isOrderly
	c.timers.stopLocked()
	gone := c.takeAllLocked()
	pings := c.pings.takeLocked()
	if !s.mute {
		c.control.finalGoAway(goAwayFrame{lastID: c.goaway.accepted, code: s.code, debug: s.debug})
		c.cutLaterLocked()
		c.kickLocked()
	}
	c.mu.Unlock()

	// The deadlines bound a flusher blocked in Write and a reader blocked in Read. A
	// frame that comes sooner also makes the reader see the closing state, and linger.
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.cfg.LingerTimeout))
	c.endBy()
	if s.mute {
		_ = c.nc.Close()
	}
	c.log(s)
	for _, g := range gone {
		g.deliver(s.cause, lane)
	}
	for _, p := range pings {
		p.done(0, s.cause)
	}
	lane.Flush()
	c.leave()
}

func (c *Conn) log(s *shutdown) {
	if s.isOrderly {
		c.cfg.Logger.Debug("http2: closing", "side", c.side, "peer", c.RemoteAddr(), "cause", s.cause)
		return
	}
	c.cfg.Logger.Warn("http2: connection failed", "side", c.side, "peer", c.RemoteAddr(), "cause", s.cause)
}

// fail ends the connection because of err: a *frame.ConnError is told to the
// peer, anything else is a dead socket.
func (c *Conn) fail(err error, lane *cq.Lane) {
	var ce *frame.ConnError
	if errors.As(err, &ce) {
		c.shut(&shutdown{code: ce.Code, debug: ce.Reason, cause: c.blame(err)}, lane)
		return
	}
	c.shut(&shutdown{cause: c.blame(c.afterGoAway(err)), mute: true, isOrderly: c.isDone(err)}, lane)
}

// afterGoAway adds the reason that the peer gave before to err, with which the socket died.
func (c *Conn) afterGoAway(err error) error {
	c.mu.Lock()
	said, ok := errors.AsType[*GoAwayError](c.cause)
	c.mu.Unlock()
	if !ok {
		return err
	}
	return fmt.Errorf("%w after %w", err, said)
}

// isDone reports that the peer closed a connection which nobody needed any more, and on which
// nothing was left to do: no fault of anyone.
func (c *Conn) isDone(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	isOver := c.state == draining || c.clientLeavesLocked()
	return errors.Is(err, ErrPeerClosed) && isOver && len(c.streams.table) == 0
}

// blame names the peer in an error that users will read.
func (c *Conn) blame(err error) error {
	return fmt.Errorf("connection to %v: %w", c.RemoteAddr(), err)
}

// causeLocked is why no stream can be made on a closing connection.
func (c *Conn) causeLocked() error {
	if c.cause != nil {
		return c.cause
	}
	return ErrClosed
}
