package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cqrpc/cqrpc/frame"
)

// ErrKeepaliveTimeout ends a connection whose peer did not answer a keepalive PING.
var ErrKeepaliveTimeout = errors.New("keepalive timeout")

// pingKind is why we sent a PING.
type pingKind uint8

const (
	pingUser pingKind = iota
	pingKeepalive
	pingBDP
	pingDrain
)

// ping is a PING of ours on its way. The payload is its number.
type ping struct {
	kind pingKind
	n    uint64
	sent time.Time
	call func(rtt time.Duration, err error) // pingUser
}

func (p ping) done(rtt time.Duration, err error) {
	if p.call != nil {
		p.call(rtt, err)
	}
}

// maxPings bounds our own unanswered PINGs.
const maxPings = 16

// pingState is PINGs both ways. Guarded by Conn.mu.
type pingState struct {
	outstanding []ping
	last        uint64

	// enforcement on a server (gRFC A8)
	lastStrike time.Time // reference time of the minimum interval
	strikes    int
}

func (p *pingState) addLocked(k *controlState, g ping) bool {
	if len(p.outstanding) >= maxPings {
		return false
	}
	p.last++
	g.n, g.sent = p.last, time.Now()
	p.outstanding = append(p.outstanding, g)
	var payload [8]byte
	binary.BigEndian.PutUint64(payload[:], g.n)
	k.pings = append(k.pings, payload)
	return true
}

// answerLocked finds the PING that payload answers.
func (p *pingState) answerLocked(payload [8]byte) (ping, bool) {
	n := binary.BigEndian.Uint64(payload[:])
	for i, g := range p.outstanding {
		if g.n == n {
			p.outstanding = append(p.outstanding[:i], p.outstanding[i+1:]...)
			return g, true
		}
	}
	return ping{}, false
}

func (p *pingState) takeLocked() []ping {
	taken := p.outstanding
	p.outstanding = nil
	return taken
}

// Ping sends a PING and calls done once: on the reader with the round-trip time when
// it is answered; or with the reason why it cannot be, inside Ping or on the goroutine
// that ends the connection. At most 16 PINGs may be outstanding. done must not block.
func (c *Conn) Ping(done func(rtt time.Duration, err error)) {
	c.mu.Lock()
	var err error
	switch {
	case c.state >= closing:
		err = c.causeLocked()
	case !c.pings.addLocked(&c.control, ping{kind: pingUser, call: done}):
		err = fmt.Errorf("%d PINGs are unanswered", maxPings)
	default:
		c.kickLocked()
	}
	c.mu.Unlock()
	if err != nil {
		done(0, err)
	}
}

// onPing answers a PING, or takes the answer to ours.
func (c *Conn) onPing(f *frame.Frame) error {
	if f.Ack {
		return c.onPingAck(f.Ping)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.side == Server && c.strikeLocked(time.Now()) {
		return &frame.ConnError{Code: frame.EnhanceYourCalm, Reason: "too_many_pings"}
	}
	c.control.pingAcks = append(c.control.pingAcks, f.Ping)
	c.kickLocked()
	return c.unsentBudgetLocked()
}

// strikeLocked judges one PING of a client: one that comes before the minimum interval
// after the last has passed is a strike, and it reports whether these are more than
// MaxStrikes. Whatever the server sends on a stream forgives all (see forgiveLocked).
func (c *Conn) strikeLocked(now time.Time) bool {
	e := &c.cfg.Enforcement
	if e.MaxStrikes < 0 {
		return false
	}
	interval := e.MinTime
	if len(c.streams.table) == 0 && !e.PermitWithoutStreams {
		interval = 2 * time.Hour
	}
	last := c.pings.lastStrike
	c.pings.lastStrike = now
	if last.IsZero() || now.Sub(last) >= interval {
		return false
	}
	c.pings.strikes++
	return c.pings.strikes > e.MaxStrikes
}

// forgiveLocked resets the judgement: the client had a reason to ping.
func (p *pingState) forgiveLocked() { p.strikes, p.lastStrike = 0, time.Time{} }

func (c *Conn) onPingAck(payload [8]byte) error {
	c.mu.Lock()
	p, ok := c.pings.answerLocked(payload)
	if !ok {
		c.mu.Unlock()
		return c.glitch("frames without effect")
	}
	switch p.kind {
	case pingKeepalive:
		c.keepaliveAnsweredLocked()
	case pingDrain:
		c.fixGoAwaySoonLocked()
	}
	c.mu.Unlock()
	rtt := time.Since(p.sent)
	c.in.conn.answered(rtt)
	if p.kind == pingBDP {
		c.onBDPAnswer(rtt)
	}
	p.done(rtt, nil)
	return nil
}
