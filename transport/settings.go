package transport

import (
	"fmt"
	"math"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
)

// peerSettings is what the peer asked of us (RFC 9113 section 6.5.2). Guarded by Conn.mu.
type peerSettings struct {
	maxConcurrent uint32
	initialWindow uint32
	maxFrame      uint32
	headerTable   uint32
	leastTable    uint32 // the least headerTable since the flusher last saw it
	received      bool
	changed       bool // the flusher has not seen it yet
}

func defaultPeerSettings() peerSettings {
	return peerSettings{
		maxConcurrent: math.MaxUint32, initialWindow: defaultWindow, maxFrame: minFrameSize,
		headerTable: 4096, leastTable: 4096,
	}
}

// onSettings applies the peer's SETTINGS and queues the acknowledgement. The
// frame reader has validated the values.
func (c *Conn) onSettings(f *frame.Frame) error {
	if f.Ack { // one for each of our few
		c.in.conn.greeted()
		return c.glitch("SETTINGS acknowledgements")
	}
	if err := c.abuse.settings.spend(c.cfg.Budgets.Settings, "SETTINGS frames"); err != nil {
		return err
	}
	c.mu.Lock()
	first := !c.peer.received
	c.peer.received = true
	if err := c.applyLocked(f.Settings); err != nil {
		c.mu.Unlock()
		return err
	}
	c.peer.changed = true
	c.control.settingsAcks++
	err := c.unsentBudgetLocked()
	if first && c.state == handshaking {
		c.state.to(open)
	}
	c.kickLocked()
	c.mu.Unlock()
	if err == nil && first {
		c.ready()
	}
	return err
}

// applyLocked takes over the parameters of one frame. The initial window, which
// concerns every stream, is applied once, as it is in the end: 2000 of them in
// one frame must not cost 2000 rounds of all streams.
func (c *Conn) applyLocked(settings []http2.Setting) error {
	window := c.peer.initialWindow
	for _, s := range settings {
		switch s.ID {
		case http2.SettingEnablePush:
			if c.side == Client && s.Val != 0 {
				return &frame.ConnError{Code: frame.ProtocolError, Reason: "a server sent SETTINGS_ENABLE_PUSH 1"}
			}
		case http2.SettingMaxConcurrentStreams:
			c.peer.maxConcurrent = s.Val
		case http2.SettingMaxFrameSize:
			c.peer.maxFrame = s.Val
		case http2.SettingHeaderTableSize:
			c.peer.headerTable = s.Val
			c.peer.leastTable = min(c.peer.leastTable, s.Val)
		case http2.SettingMaxHeaderListSize:
			c.peerHeaderList.Store(s.Val)
		case http2.SettingInitialWindowSize:
			window = s.Val
		}
	}
	if window == c.peer.initialWindow {
		return nil
	}
	return c.applyInitialWindowLocked(window)
}

// applyInitialWindowLocked moves every stream's send window by the difference,
// below zero if need be (RFC 9113 section 6.9.2).
func (c *Conn) applyInitialWindowLocked(n uint32) error {
	delta := int64(n) - int64(c.peer.initialWindow)
	c.peer.initialWindow = n
	for _, s := range c.streams.table {
		if int64(s.sendWindow)+delta > maxWindowSize {
			return &frame.ConnError{
				Code:   frame.FlowControlError,
				Reason: fmt.Sprintf("SETTINGS_INITIAL_WINDOW_SIZE %d takes the window of stream %d past 2^31-1", n, s.id),
			}
		}
		s.sendWindow += int32(delta)
		if delta > 0 {
			c.scheduleLocked(s)
		}
	}
	return nil
}

// change announces a new value of a setting, once per turn.
func (k *controlState) change(id http2.SettingID, value uint32) {
	for i := range k.settings {
		if k.settings[i].ID == id {
			k.settings[i].Val = value
			return
		}
	}
	k.settings = append(k.settings, http2.Setting{ID: id, Val: value})
}
