package cq

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// serviceState is what becomes of a source that was offered to a Host.
//
//	               Offer                Serve                 Withdraw
//	serviceNone ──────────► serviceDue ───────► serviceRunning ──────────► serviceLast
//	 ▲  ▲  ▲                 │      ▲             │   │     ▲                │     │
//	 │  │  └── Withdraw ─────┘      └── it ended ─┘   │     └──── Offer ─────┘     │
//	 │  └────────── it ended, and there is no more ───┘                            │
//	 └───────────────────────────── it ended ──────────────────────────────────────┘
type serviceState uint8

const (
	serviceNone    serviceState = iota // there is no source
	serviceDue                         // nobody serves it
	serviceRunning                     // somebody does
	serviceLast                        // somebody does, for the last time
)

var serviceStateNames = [...]string{"none", "due", "running", "last"}

func (s serviceState) String() string { return serviceStateNames[s] }

// serviceSteps is the drawing: where each state may lead.
var serviceSteps = [...]uint8{
	serviceNone:    1 << serviceDue,
	serviceDue:     1<<serviceNone | 1<<serviceRunning,
	serviceRunning: 1<<serviceNone | 1<<serviceDue | 1<<serviceLast,
	serviceLast:    1<<serviceNone | 1<<serviceRunning,
}

// to is the only place that changes a state.
func (s *serviceState) to(next serviceState) {
	if serviceSteps[*s]&(1<<next) == 0 {
		panic(fmt.Sprintf("BUG: cq: service %v -> %v", *s, next))
	}
	*s = next
}

// Service is what a Host knows of its source, of which it has one at most. The zero value has
// none. A lock of the Host guards it.
type Service struct {
	state      serviceState
	source     Source      // nil: none
	offers     uint64      // how many there were
	isRecalled atomic.Bool // whoever serves is wanted elsewhere; read without the lock
}

// Offer takes a source, unless there is another one. The same one may be offered again.
func (v *Service) Offer(s Source) bool {
	if v.source != nil && v.source != s {
		return false
	}
	switch v.state {
	case serviceNone:
		v.source = s
		v.state.to(serviceDue)
	case serviceLast:
		v.state.to(serviceRunning)
	case serviceDue, serviceRunning:
	}
	v.offers++
	return true
}

// Withdraw forgets s, as soon as nobody serves it.
func (v *Service) Withdraw(s Source) {
	switch {
	case v.source != s:
	case v.state == serviceRunning:
		v.state.to(serviceLast)
	case v.state == serviceDue:
		v.forget()
	}
}

// forget ends all that Offer began.
func (v *Service) forget() {
	v.source = nil
	v.state.to(serviceNone)
}

// IsDue reports whether there is a source, and nobody serves it.
func (v *Service) IsDue() bool { return v.state == serviceDue }

// isServed reports whether somebody serves the source.
func (v *Service) isServed() bool { return v.state >= serviceRunning }

// Serve serves the source, which is due, for h until it is recalled. mu, which guards v, is
// unlocked meanwhile.
func (v *Service) Serve(h Host, mu sync.Locker) { v.serve(h, mu, patience{}) }

// serve is Serve that ends when the patience does, too.
func (v *Service) serve(h Host, mu sync.Locker, p patience) {
	s, offer := v.source, v.offers
	v.state.to(serviceRunning)
	v.isRecalled.Store(false)
	mu.Unlock()
	isOurs, returned, stop := true, false, nothing
	defer func() {
		stop()
		mu.Lock()
		v.served(isOurs && returned || v.offers != offer)
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

// served ends the running service; isOurs says that the source may be served again.
func (v *Service) served(isOurs bool) {
	if v.state == serviceLast || !isOurs {
		v.forget()
	} else {
		v.state.to(serviceDue)
	}
}

// Recall asks the goroutine that serves to come back. It returns the source, to be nudged
// when the lock is no longer held; nil if nobody serves, or Recall has been called before.
func (v *Service) Recall() Source {
	if !v.isServed() || v.isRecalled.Swap(true) {
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
