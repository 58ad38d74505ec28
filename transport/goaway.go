package transport

import (
	"errors"
	"fmt"

	"github.com/cqrpc/cqrpc/frame"
)

var (
	errDrained   = errors.New("connection drained")
	errExhausted = errors.New("stream identifiers are used up")
)

// GoAwayError is the peer's GOAWAY, as the cause of the errors of what ended because of it.
type GoAwayError struct {
	Code   frame.ErrCode
	LastID uint32 // the highest stream that the peer may have acted on
	Debug  string // its first 1024 bytes
}

func (e *GoAwayError) Error() string {
	text := fmt.Sprintf("GOAWAY %v, last stream %d", e.Code, e.LastID)
	if e.Debug != "" {
		text += fmt.Sprintf(", %.128q", e.Debug)
	}
	return text
}

// goawayState is how far a shutdown by GOAWAY has come (RFC 9113 section 6.8).
// Guarded by Conn.mu.
//
//	none --Drain--> announced (2^31-1) --PING ack or DrainTimeout--> fixed (last accepted) --no stream left--> shut
type goawayState struct {
	stage    goawayStage
	isDue    bool   // announced, and the PING was answered: the next turn fixes it
	accepted uint32 // server: the highest request taken
	last     uint32 // fixed: requests above are dropped
	refused  uint32 // client: requests from here on were, by the peer's GOAWAY; 0: there was none
}

type goawayStage uint8

const (
	goawayNone goawayStage = iota
	goawayAnnounced
	goawayFixed
)

// to is the only place that changes a stage; stages never go back, and the last may be
// reached again.
func (s *goawayStage) to(next goawayStage) {
	if next < *s {
		panic(fmt.Sprintf("BUG: transport: GOAWAY stage %d -> %d", *s, next))
	}
	*s = next
}

func (g *goawayState) refuses(id uint32) bool { return g.stage == goawayFixed && id > g.last }

// Drain ends the connection gracefully. A server sends GOAWAY twice: first with
// the highest possible stream identifier, so that requests on their way are
// still served, then, a round trip later, with the real one. Streams in
// progress continue; the connection closes with the last of them. A client
// just opens no more: its streams that wait to be opened are closed as Unsent,
// by another goroutine. Idempotent.
func (c *Conn) Drain() { c.drain("graceful shutdown") }

// The reason in the first GOAWAY of a server if nobody has called Drain, in the words of
// C-core and grpc-go.
const (
	maxIdleReached = "max_idle"
	maxAgeReached  = "max_age"
)

// drain is Drain with the reason that the first GOAWAY of a server gives.
func (c *Conn) drain(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state >= closing || c.goaway.stage != goawayNone {
		return
	}
	if c.state < draining {
		c.state.to(draining)
	}
	if c.side == Client || !c.peer.received {
		c.goaway.stage.to(goawayFixed)
		c.goaway.last = c.goaway.accepted
		gone := c.takeOpeningLocked(nil)
		c.laterLocked(func() { deliverAll(gone, ErrDraining) })
		c.drainedLocked()
		return
	}
	c.goaway.stage.to(goawayAnnounced)
	c.control.goAways = append(c.control.goAways,
		goAwayFrame{lastID: maxStreamID, code: frame.NoError, debug: reason})
	c.pings.addLocked(&c.control, ping{kind: pingDrain})
	c.timers.drain = c.afterLocked(c.cfg.DrainTimeout, c.fixGoAwayLocked)
	c.kickLocked()
}

// fixGoAwaySoonLocked leaves the second step to the next turn, which comes when all that was read with
// the PING's answer is handled. C-core opens streams after it has answered, in the same write; if they
// were refused, it would repeat the calls, and leave out messages that it was about to send (1.51).
func (c *Conn) fixGoAwaySoonLocked() {
	if c.goaway.stage == goawayAnnounced {
		c.goaway.isDue = true
		c.kickLocked()
	}
}

// fixGoAwayLocked is the second step: the peer has seen the first GOAWAY.
func (c *Conn) fixGoAwayLocked() {
	if c.goaway.stage != goawayAnnounced || c.state >= closing {
		return
	}
	c.goaway.stage.to(goawayFixed)
	c.goaway.last = c.goaway.accepted
	c.control.goAways = append(c.control.goAways, goAwayFrame{lastID: c.goaway.last, code: frame.NoError})
	c.kickLocked()
	c.drainedLocked()
}

// drainedLocked closes a draining connection that has nothing left to do.
func (c *Conn) drainedLocked() {
	if c.state != draining || c.goaway.stage != goawayFixed || len(c.streams.table) > 0 || c.streams.waiting > 0 {
		return
	}
	c.laterLocked(func() { c.CloseWith(errDrained) })
}

// onGoAway stops new streams here. Those above the last identifier were not
// processed and may be retried elsewhere; the rest goes on.
func (c *Conn) onGoAway(f *frame.Frame) error {
	said := &GoAwayError{Code: f.ErrCode, LastID: f.LastStreamID, Debug: string(f.Debug)}
	c.noteGoAway(said)
	if c.side == Server { // a client opens no pushed streams; what it asked for is still served
		c.cfg.Logger.Debug("http2: client is leaving", "peer", c.RemoteAddr(), "cause", said)
		return c.glitch("GOAWAY frames")
	}
	c.mu.Lock()
	if c.state >= closing {
		c.mu.Unlock()
		return nil
	}
	c.goaway.stage.to(goawayFixed)
	first := c.state < draining
	if first {
		c.state.to(draining)
	}
	gone := c.takeOpeningLocked(nil)
	if at := f.LastStreamID + 1; c.goaway.refused == 0 || at < c.goaway.refused {
		c.goaway.refused = at
		gone = c.takeUnprocessedLocked(gone, f)
	}
	if !c.in.isParting {
		c.partLocked()
	}
	c.drainedLocked()
	c.mu.Unlock()
	c.tellGoAway(said, first, gone)
	if first {
		return nil
	}
	return c.glitch("GOAWAY frames")
}

// tellGoAway tells whom a GOAWAY concerns. Only the first is sure to concern anybody.
func (c *Conn) tellGoAway(said *GoAwayError, first bool, gone []goneStream) {
	if !first && len(gone) == 0 {
		return
	}
	cause := c.blame(said)
	if first {
		c.handler.OnDrain(cause)
	}
	for _, g := range gone {
		g.deliver(cause, &c.lane)
	}
}

// noteGoAway keeps the peer's reason for the end of the connection. The second step of a
// graceful end adds nothing to it, nor does the last GOAWAY.
func (c *Conn) noteGoAway(said *GoAwayError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state >= closing {
		return
	}
	if before, ok := errors.AsType[*GoAwayError](c.cause); ok && said.Code == frame.NoError && said.Debug == "" {
		said = &GoAwayError{Code: before.Code, LastID: said.LastID, Debug: before.Debug}
	}
	c.cause = said
}

// clientLeavesLocked reports that the client has said it is done, and not because of a fault. It does not make the
// connection drain: what the client still asks for is served.
func (c *Conn) clientLeavesLocked() bool {
	said, ok := errors.AsType[*GoAwayError](c.cause)
	return ok && c.side == Server && said.Code == frame.NoError
}

// takeUnprocessedLocked ends the streams that a GOAWAY says were not processed.
func (c *Conn) takeUnprocessedLocked(gone []goneStream, f *frame.Frame) []goneStream {
	var unprocessed []*Stream // beforehand: the last to end takes the table with it
	for id, s := range c.streams.table {
		if c.ours(id) && id > f.LastStreamID {
			unprocessed = append(unprocessed, s)
		}
	}
	for _, s := range unprocessed {
		g := goneStream{recv: s.recv, kind: frame.GoneAway, code: f.ErrCode, sent: s.sent, unprocessed: true}
		c.endStreamLocked(s, resetByUs)
		gone = append(gone, g)
	}
	return gone
}

// exhaustedLocked drains a client connection whose identifiers are used up
// (RFC 9113 section 5.1.1).
func (c *Conn) exhaustedLocked() {
	c.state.to(draining)
	c.goaway.stage.to(goawayFixed)
	gone := c.takeOpeningLocked(nil)
	c.drainedLocked()
	c.laterLocked(func() {
		c.handler.OnDrain(errExhausted)
		deliverAll(gone, errExhausted)
	})
}
