package transport

import (
	"fmt"
	"math"

	"github.com/cqrpc/cqrpc/frame"
)

// Budgets bound the work a peer can cause without asking for anything useful.
// Each is a token bucket; an empty one ends the connection with GOAWAY
// ENHANCE_YOUR_CALM. Zero fields take the defaults named; a negative Burst or number
// is no limit.
//
// What they count comes in waves when many streams end at once, such as all calls that wait for
// one answer. So PeerResets, OwnResets, UnsentResets and the allowance for late frames grow with
// the connection: one that has had 5000 streams open at a time gets five times as many. Up to 1000
// streams change nothing.
type Budgets struct {
	// PeerResets: RST_STREAM received before anything was answered, within a quarter to
	// half a second of the request (CVE-2023-44487 rapid reset), unless the receiver has
	// excused it ([Stream.Excuse]): a gRPC call whose deadline has passed. Default 1000, refilled
	// by 33/s and by every stream that is answered to its end.
	PeerResets Budget
	// OwnResets: RST_STREAM that the peer makes us send (CVE-2025-8671); not for streams
	// beyond MaxConcurrentStreams, which are Glitches. Default 1000, refilled by 33/s.
	//
	// A request that the handler does not accept costs nothing, unless the peer has just used
	// some of PeerResets or OwnResets: then those resets may be why there is no room.
	OwnResets Budget
	// Settings: SETTINGS received (CVE-2019-9515). Default 100, refilled by 10/s.
	Settings Budget
	// Glitches: legal but useless frames - empty DATA, PRIORITY, unknown types,
	// requests beyond MaxConcurrentStreams, frames on closed streams
	// (CVE-2019-9513, CVE-2019-9518) - and changes of TLS keys. Default 10000, refilled by
	// 330/s. For every stream that ends, 8 are free (late frames): that many may cross its end
	// in good faith.
	Glitches Budget
	// UnsentAcks is how many PING and SETTINGS acknowledgements may wait because
	// the peer does not read (CVE-2019-9512). Default 1000.
	UnsentAcks int
	// UnsentResets is how many RST_STREAM may wait for the same reason, beyond
	// MaxConcurrentStreams (CVE-2019-9514). Default 10000.
	UnsentResets int
}

// Budget is a token bucket: Burst events at once, then PerSecond.
type Budget struct {
	Burst     int     // events; negative: any number
	PerSecond float64 // events; 0 with a Burst: never refilled
}

func (b Budgets) resolved() Budgets {
	b.PeerResets = b.PeerResets.or(1000, 33)
	b.OwnResets = b.OwnResets.or(1000, 33)
	b.Settings = b.Settings.or(100, 10)
	b.Glitches = b.Glitches.or(10000, 330)
	if b.UnsentAcks == 0 {
		b.UnsentAcks = 1000
	}
	b.UnsentResets = orDefault(b.UnsentResets, 10000, -1, maxStreams-1)
	return b
}

func (b Budget) or(burst int, perSecond float64) Budget {
	if b == (Budget{}) {
		return Budget{burst, perSecond}
	}
	return b
}

// usualStreams is for how many streams at a time the budgets are meant.
const usualStreams = 1000

// crowd is how many times usualStreams the connection has had open at once, 1 at the least.
func (c *Conn) crowd() float64 { return max(1, float64(c.streams.most.Load())/usualStreams) }

// times is a budget for n times as many streams.
func (b Budget) times(n float64) Budget {
	if n == 1 {
		return b
	}
	return Budget{int(min(float64(b.Burst)*n, math.MaxInt32)), b.PerSecond * n}
}

// abuseState is the budgets in use. Reader only.
type abuseState struct {
	peerResets, ownResets, settings, glitches bucket

	answered uint64 // streams that have earned back a reset
	elders   elders

	late  int    // glitches that are free, because streams ended
	ended uint64 // streams that are accounted for in late
}

const (
	// latePerStream is how many frames that follow the end of a stream are taken
	// to have crossed it: a response, WINDOW_UPDATEs for its DATA, RST_STREAM.
	latePerStream = 8
	// maxLate bounds what a long life saves up: 2048 streams that end at once, where
	// no more than usualStreams were open.
	maxLate = 2048 * latePerStream
)

// glitch accounts for a frame that is legal and useless.
func (c *Conn) glitch(what string) error {
	c.mu.Lock()
	ended := c.streams.ended
	c.mu.Unlock()
	a := &c.abuse
	most := uint64(maxLate * c.crowd())
	a.late = int(min(uint64(a.late)+latePerStream*(ended-a.ended), most))
	a.ended = ended
	if a.late > 0 {
		a.late--
		return nil
	}
	return a.glitches.spend(c.cfg.Budgets.Glitches, what)
}

// peerReset accounts for a reset by the peer. It is free if the stream was already answered, or
// had time to be, or its receiver has excused it: MaxConcurrentStreams bounds how many such
// streams there are at a time. Every stream that runs to its end earns one back: a client whose
// deadlines pass is no attacker.
func (c *Conn) peerReset(isFree bool, answered uint64) error {
	a := &c.abuse
	a.peerResets.refund(answered - a.answered)
	a.answered = answered
	if isFree {
		return nil
	}
	return a.peerResets.spend(c.cfg.Budgets.PeerResets.times(c.crowd()), "RST_STREAM frames")
}

// unsentBudgetLocked bounds acknowledgements and resets that wait because the
// peer sends and does not read (CVE-2019-9512, CVE-2019-9514, CVE-2019-9515).
func (c *Conn) unsentBudgetLocked() error {
	b, k := &c.cfg.Budgets, &c.control
	if n := k.settingsAcks + len(k.pingAcks); b.UnsentAcks >= 0 && n > b.UnsentAcks {
		return unsentError(n, "acknowledgements", b.UnsentAcks)
	}
	if b.UnsentResets < 0 {
		return nil
	}
	n, limit := len(k.resets)+len(k.credits), b.UnsentResets+max(c.cfg.MaxConcurrentStreams, 0)
	if n <= limit {
		return nil
	}
	if limit = int(float64(limit) * c.crowd()); n <= limit {
		return nil
	}
	return unsentError(n, "resets and credits", limit)
}

func unsentError(n int, what string, limit int) error {
	return &frame.ConnError{
		Code:   frame.EnhanceYourCalm,
		Reason: fmt.Sprintf("%d %s wait to be read, limit %d", n, what, limit),
	}
}

// declined accounts for a request that the handler has not accepted. That is not the peer's fault,
// unless it has just reset streams or made us reset some: their handlers still run, and may be why
// there is no room.
func (c *Conn) declined() error {
	const what = "requests beside those that were reset"
	a, b, n := &c.abuse, &c.cfg.Budgets, c.crowd()
	if limit := b.OwnResets.times(n); !a.ownResets.isFull(limit) {
		return a.ownResets.spend(limit, what)
	}
	if limit := b.PeerResets.times(n); !a.peerResets.isFull(limit) {
		return a.peerResets.spend(limit, what)
	}
	return nil
}

// bucket is a Budget in use. The zero value is full. Reader only.
type bucket struct {
	spent float64
	last  instant // of the last refill, zero: none
}

// refund gives tokens back.
func (b *bucket) refund(n uint64) { b.spent = max(0, b.spent-float64(n)) }

// refill gives back what time has.
func (b *bucket) refill(limit Budget) {
	t := now()
	if b.last != 0 {
		b.spent = max(0, b.spent-(t-b.last).duration().Seconds()*limit.PerSecond)
	}
	b.last = t
}

// isFull reports whether no token is missing.
func (b *bucket) isFull(limit Budget) bool {
	if b.spent > 0 {
		b.refill(limit)
	}
	return b.spent == 0
}

// spend takes one token, or says what was overdone.
func (b *bucket) spend(limit Budget, what string) error {
	if limit.Burst < 0 {
		return nil
	}
	b.refill(limit)
	b.spent++
	if b.spent <= float64(limit.Burst) {
		return nil
	}
	return &frame.ConnError{
		Code:   frame.EnhanceYourCalm,
		Reason: fmt.Sprintf("too many %s: more than %d, refilled by %g/s", what, limit.Burst, limit.PerSecond),
	}
}
