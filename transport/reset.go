package transport

import (
	"fmt"

	"github.com/cqrpc/cqrpc/frame"
)

// onReset ends a stream because the peer says so (RFC 9113 section 6.4).
//
// C-core's client resets a call that is cancelled between getting its stream
// identifier and writing its HEADERS, which then never come. Strictly that is
// RST_STREAM on an idle stream and the end of the connection, with all other
// calls on it; a server that has seen a request on it lets it pass.
func (c *Conn) onReset(f *frame.Frame) error {
	c.mu.Lock()
	s := c.streams.table[f.StreamID]
	if s == nil {
		isIdle := c.isIdleLocked(f.StreamID)
		if c.side == Server && !c.ours(f.StreamID) && c.streams.lastPeerID > 0 {
			isIdle = false
		}
		c.mu.Unlock()
		return c.onStray(f, isIdle)
	}
	sent, answered := s.sent, c.streams.answered
	c.endStreamLocked(s, resetByPeer)
	c.mu.Unlock()
	c.excused = false
	s.recv.OnClosed(&frame.CloseError{
		Kind: frame.ResetByPeer, Code: f.ErrCode, Unprocessed: f.ErrCode == frame.RefusedStream,
		Err: c.blame(fmt.Errorf("stream %d was reset by the peer with %v", f.StreamID, f.ErrCode)),
	}, sent, &c.lane)
	return c.peerReset(sent.Headers || c.excused || c.abuse.elders.has(f.StreamID), answered)
}

// onStreamError resets a stream on which the peer broke a rule.
func (c *Conn) onStreamError(e *frame.StreamError) error {
	c.cfg.Logger.Debug("http2: stream error", "side", c.side, "peer", c.RemoteAddr(), "error", e)
	at := c.lookup(e.StreamID)
	switch {
	case at.isIdle: // it cannot be reset (RFC 9113 section 5.1)
		return &frame.ConnError{Code: e.Code, Reason: e.Reason + ", on an idle stream"}
	case at.s == nil && at.how.isOurs(): // once is enough (RFC 9113 section 5.4.2)
		return c.glitch("frames on closed streams")
	case at.s == nil:
		if err := c.resetClosed(e); err != nil {
			return err
		}
	default:
		if sent, was := c.closeViolation(at.s, e); was && at.s.recv != nil {
			at.s.recv.OnClosed(&frame.CloseError{Kind: frame.Violation, Code: e.Code, Err: c.blame(e)}, sent, &c.lane)
		}
	}
	if e.Code == frame.RefusedStream { // costs nothing here, and a client may not know the limit yet
		return c.glitch("refused streams")
	}
	return c.abuse.ownResets.spend(c.cfg.Budgets.OwnResets.times(c.crowd()), "frames that force a stream reset")
}
