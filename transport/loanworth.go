package transport

import "time"

const (
	// The trust that is lost when …
	refusedLost = 2 // the host does not serve
	crowdLost   = 1 // what came was for several goroutines
	partLost    = 2 // the goroutine that served met part of a frame
	slowLost    = 2 // it was away for long
	calledLost  = 1 // it was recalled before anything came

	// maxAway, and maxAwayEach for each message, is how long the goroutine that serves may be away
	// with what it has read. If it takes longer, the reader could have read meanwhile, and loans do
	// not pay.
	maxAway     = 50 * time.Microsecond
	maxAwayEach = 5 * time.Microsecond

	maxLoanPause = 1024

	// manyGains is how often loans have to pay before pauses are short again: a handler that is
	// slow only once in a while costs everybody else on its connection a millisecond each time.
	manyGains = 512
)

// loanWorth is what the reader has learnt about whether loans pay. A pause is counted in batches
// without a loan.
type loanWorth struct {
	trust
	good int16 // gains since a pause, up to manyGains
}

func newLoanWorth() loanWorth { return loanWorth{trust: newTrust(halfTrust, maxLoanPause)} }

// gain notes that the goroutine that serves has read something.
func (w *loanWorth) gain() {
	w.earn()
	if w.good = min(w.good+1, manyGains); w.good == manyGains {
		w.forgive()
	}
}

// away notes how long the goroutine that serves was away with so many messages.
func (w *loanWorth) away(d time.Duration, messages int) {
	if d > maxAway+time.Duration(messages)*maxAwayEach {
		w.lose(slowLost)
	}
}

func (w *loanWorth) lose(n int8) {
	if w.trust.lose(n) {
		w.good = 0
	}
}
