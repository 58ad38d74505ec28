package transport

import (
	"fmt"
	"time"

	"github.com/cqrpc/cqrpc/frame"
)

// Budgets bound the work a peer can cause without asking for anything useful.
// Each is a token bucket; an empty one ends the connection with GOAWAY
// ENHANCE_YOUR_CALM. Zero fields take the defaults named.
type Budgets struct {
	// PeerResets: RST_STREAM received (CVE-2023-44487 rapid reset). Default 1000, refilled by 33/s.
	PeerResets Budget
	// OwnResets: RST_STREAM and refusals the peer makes us send (CVE-2025-8671). Default 1000, refilled by 33/s.
	OwnResets Budget
	// Settings: SETTINGS received (CVE-2019-9515). Default 100, refilled by 10/s.
	Settings Budget
	// Glitches: legal but useless frames - empty DATA, PRIORITY, unknown types,
	// frames on closed streams (CVE-2019-9513, CVE-2019-9518). Default 10000, refilled by 330/s.
	Glitches Budget
	// UnsentAcks is how many PING and SETTINGS acknowledgements may wait because
	// the peer does not read (CVE-2019-9512). Default 1000.
	UnsentAcks int
}

// Budget is a token bucket: Burst events at once, then PerSecond.
type Budget struct {
	Burst     int
	PerSecond float64
}

func (b Budgets) resolved() Budgets {
	b.PeerResets = b.PeerResets.or(1000, 33)
	b.OwnResets = b.OwnResets.or(1000, 33)
	b.Settings = b.Settings.or(100, 10)
	b.Glitches = b.Glitches.or(10000, 330)
	if b.UnsentAcks == 0 {
		b.UnsentAcks = 1000
	}
	return b
}

func (b Budget) or(burst int, perSecond float64) Budget {
	if b == (Budget{}) {
		return Budget{burst, perSecond}
	}
	return b
}

// bucket is a Budget in use. The zero value is full. Reader only.
type bucket struct {
	spent float64
	last  time.Time
}

// spend takes one token, or says what was overdone.
func (b *bucket) spend(limit Budget, what string) error {
	now := time.Now()
	if !b.last.IsZero() {
		b.spent = max(0, b.spent-now.Sub(b.last).Seconds()*limit.PerSecond)
	}
	b.last = now
	b.spent++
	if b.spent <= float64(limit.Burst) {
		return nil
	}
	return &frame.ConnError{
		Code:   frame.EnhanceYourCalm,
		Reason: fmt.Sprintf("too many %s: more than %d, refilled by %g/s", what, limit.Burst, limit.PerSecond),
	}
}
