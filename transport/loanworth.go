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

// loanWorth is what the reader has learnt about whether loans pay. When trust is used up a
// pause follows: a number of batches without a loan.
type loanWorth struct {
	trust int8  // 0 to fullTrust
	good  int16 // gains since a pause, up to manyGains
	pause int16 // batches until the next loan
	next  int16 // the length of the next pause
}

func newLoanWorth() loanWorth { return loanWorth{trust: halfTrust, next: minPause} }

// isTried reports whether to lend now.
func (w *loanWorth) isTried() bool {
	if w.trust > 0 {
		return true
	}
	if w.pause--; w.pause > 0 {
		return false
	}
	w.trust = halfTrust
	return true
}

// gain notes that the goroutine that serves has read something.
func (w *loanWorth) gain() {
	w.trust = min(w.trust+1, fullTrust)
	if w.good = min(w.good+1, manyGains); w.good == manyGains {
		w.next = minPause
	}
}

// away notes how long the goroutine that serves was away with so many messages.
func (w *loanWorth) away(d time.Duration, messages int) {
	if d > maxAway+time.Duration(messages)*maxAwayEach {
		w.lose(slowLost)
	}
}

func (w *loanWorth) lose(trust int8) {
	if w.trust = max(w.trust-trust, 0); w.trust == 0 {
		w.good = 0
		w.pause, w.next = w.next, min(2*w.next, maxLoanPause)
	}
}
