package cq

import (
	"sync"
	"sync/atomic"
)

// Service is what a Host knows of its source, of which it has one at most. A lock of
// the Host guards it.
type Service struct {
	source     Source // nil: there is none
	offers     uint64 // how many there were
	isServed   bool
	isLast     bool        // withdrawn, but still served
	isRecalled atomic.Bool // whoever serves is wanted elsewhere; read without the lock
}

// Offer takes a source, unless there is another one. The same one may be offered again.
func (v *Service) Offer(s Source) bool {
	if v.source != nil && v.source != s {
		return false
	}
	v.source, v.isLast = s, false
	v.offers++
	return true
}

// Withdraw forgets s, as soon as nobody serves it.
func (v *Service) Withdraw(s Source) {
	switch {
	case v.source != s:
	case v.isServed:
		v.isLast = true
	default:
		v.source = nil
	}
}

// IsDue reports whether there is a source, and nobody serves it.
func (v *Service) IsDue() bool { return v.source != nil && !v.isServed }

// Serve serves the source, which is due, for h until it is recalled. mu, which guards v, is
// unlocked meanwhile.
func (v *Service) Serve(h Host, mu sync.Locker) { v.serve(h, mu, patience{}) }

// serve is Serve that ends when the patience does, too.
func (v *Service) serve(h Host, mu sync.Locker, p patience) {
	s, offer := v.source, v.offers
	v.isServed = true
	v.isRecalled.Store(false)
	mu.Unlock()
	isOurs, returned, stop := true, false, nothing
	defer func() {
		stop()
		mu.Lock()
		v.isServed = false
		if v.isLast || !(isOurs && returned) && v.offers == offer {
			v.source, v.isLast = nil, false
		}
		if !returned { // user code has panicked, or ended the goroutine
			mu.Unlock()
		}
	}()
	if !p.isOver() { // a context is user code: no lock is held
		stop = p.watch(&v.isRecalled, s)
		isOurs = s.Serve(h, &v.isRecalled)
	}
	returned = true
}

// Recall asks the goroutine that serves to come back. It returns the source, to be nudged
// when the lock is no longer held; nil if nobody serves, or Recall has been called before.
func (v *Service) Recall() Source {
	if !v.isServed || v.isRecalled.Swap(true) {
		return nil
	}
	return v.source
}

// nudge nudges what Recall has returned.
func nudge(s Source) {
	if s != nil {
		s.Nudge()
	}
}
