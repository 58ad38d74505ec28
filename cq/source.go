package cq

import (
	"sync"
	"sync/atomic"
)

// Source is where completions come from, a connection to be read for example. Who
// waits for one may do the source's work meanwhile: then nobody has to wake it.
// C-core's grpc_completion_queue_next polls file descriptors for the same reason.
type Source interface {
	// Serve does the source's work on the caller's goroutine, which is one of h's, until
	// isRecalled is set. It reports false if the work is no longer the caller's to do.
	Serve(h Host, isRecalled *atomic.Bool) bool
	// Nudge has Serve look at isRecalled, which has just been set. Any goroutine may call it.
	Nudge()
	// Tend does the source's work that has gathered since Serve has returned, such as writes, if
	// there is much of it: whoever served the source may be busy for long with what it has read. A
	// host may call it whenever nobody serves the source, with no lock held. It must not wait.
	Tend()
}

// Host has goroutines that wait for completions of a source and may serve it
// meanwhile: a [Queue] made by [New] is one, for example.
type Host interface {
	// Offer lets one goroutine at a time serve s, whenever it has nothing else to do, until
	// Serve reports false or s is withdrawn. It reports false if none will. True is no promise
	// that one comes soon: all may be busy, so the source has to watch whether one does.
	Offer(s Source) bool
	// Withdraw is the end of an offer: whoever serves s now is the last to do so.
	Withdraw(s Source)
}

// Service is what a Host knows of its source, of which it has one at most. It is
// guarded by a lock of the Host's.
type Service struct {
	source     Source // nil: there is none
	offers     uint64 // how many there were
	isServed   bool
	isLast     bool        // it was withdrawn while it is served
	isRecalled atomic.Bool // since it is served; read without the lock
}

// Offer takes a source, unless there is another one. The same may be offered again.
func (v *Service) Offer(s Source) bool {
	if v.source != nil && v.source != s {
		return false
	}
	v.source, v.isLast = s, false
	v.offers++
	return true
}

// Withdraw forgets s, once it is served no more.
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

// Serve serves the source, which is due, for h until it is recalled: meanwhile mu, which
// guards v, is unlocked.
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

// Recall notes that there is something for the goroutine that serves. It returns the
// source, to be nudged when the lock is no longer held; nil if that has been done, or
// nobody serves.
func (v *Service) Recall() Source {
	if !v.isServed || v.isRecalled.Swap(true) {
		return nil
	}
	return v.source
}

// nudge nudges what Service.Recall has returned.
func nudge(s Source) {
	if s != nil {
		s.Nudge()
	}
}

var _ Host = (*Queue)(nil)

// Offer implements [Host] for a queue made by [New] that is not shut down.
func (q *Queue) Offer(s Source) bool {
	if q.how != byNext {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shutdown.Load() || !q.service.Offer(s) {
		return false
	}
	if q.awake == 0 && q.ready.len() == 0 && len(q.parked) > 0 && q.service.IsDue() {
		q.wakeLocked(q.parked[len(q.parked)-1])
	}
	return true
}

// tendLocked has the source tended, without the lock, by a poller that has more to take.
func (q *Queue) tendLocked() {
	s := q.service.source
	if s == nil || q.service.isServed || q.ready.len() == 0 {
		return
	}
	q.mu.Unlock()
	s.Tend()
	q.mu.Lock()
}

// serveLocked serves the source, without the lock.
func (q *Queue) serveLocked(p patience) {
	returned := false
	defer func() {
		if !returned { // an inline callback has ended the goroutine, and the lock is free
			q.mu.Lock()
			q.wakeForLocked(0) // it may have been recalled for what is ready
			q.mu.Unlock()
		}
	}()
	q.service.serve(q, &q.mu, p)
	returned = true
}

// Withdraw implements [Host].
func (q *Queue) Withdraw(s Source) {
	q.mu.Lock()
	q.service.Withdraw(s)
	q.mu.Unlock()
}

// Host returns the Host that serves sources of the queue's completions: the queue,
// or its executor if that is a Host, or nil.
func (q *Queue) Host() Host {
	switch q.how {
	case byNext:
		return q
	case byCallback:
		h, _ := q.calls.exec.(Host)
		return h
	case byPluck:
	}
	return nil
}
