package cq

import (
	"context"
	"sync"
	"time"
)

// Source is where completions come from, a connection to be read for example. Who
// waits for one may do the source's work meanwhile: then nobody has to wake it.
// C-core's grpc_completion_queue_next polls file descriptors for the same reason.
type Source interface {
	// Serve does the source's work on the caller's goroutine until Recall. It reports
	// false if that is no longer the caller's to do.
	Serve() bool
	// Recall makes Serve return soon, the one that runs or, if none does, the next
	// one perhaps. Any goroutine may call it.
	Recall()
}

// Host is who has goroutines that wait for completions of a source, and may serve it
// meanwhile: a [Queue] made by [New], for example.
type Host interface {
	// Offer lets one goroutine at a time serve s, whenever it has nothing else to do, until
	// Serve reports false. Offer reports false if none will. The source must look itself
	// whether one comes, for they may all be busy elsewhere.
	Offer(s Source) bool
}

// Service is what a Host knows of its source, of which it has one at most. It is
// guarded by a lock of the Host's.
type Service struct {
	source     Source // nil: there is none
	offers     uint64 // how many there were
	isServed   bool
	isRecalled bool // since it is served
}

// Offer takes a source, or the same one again; of two it has the first.
func (v *Service) Offer(s Source) bool {
	if v.source != nil && v.source != s {
		return false
	}
	v.source = s
	v.offers++
	return true
}

// IsDue reports whether there is a source, and nobody serves it.
func (v *Service) IsDue() bool { return v.source != nil && !v.isServed }

// IsServed reports whether somebody serves the source and was not recalled.
func (v *Service) IsServed() bool { return v.isServed && !v.isRecalled }

// Serve serves the source, which is due, until it is recalled: meanwhile mu, which guards v,
// is unlocked.
func (v *Service) Serve(mu sync.Locker) {
	s, offer := v.source, v.offers
	v.isServed, v.isRecalled = true, false
	mu.Unlock()
	isOurs, returned := false, false
	defer func() {
		mu.Lock()
		v.isServed = false
		if !isOurs && v.offers == offer {
			v.source = nil
		}
		if !returned { // user code panicked, or ended the goroutine
			mu.Unlock()
		}
	}()
	isOurs = s.Serve()
	returned = true
}

// Recall notes that there is something for the goroutine that serves. It returns the
// source, to be recalled when the lock is no longer held; nil if that has been done, or nobody
// serves.
func (v *Service) Recall() Source {
	if !v.IsServed() {
		return nil
	}
	v.isRecalled = true
	return v.source
}

// recall recalls what Service.Recall has returned.
func recall(s Source) {
	if s != nil {
		s.Recall()
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

// Host returns who serves sources of the queue's completions: the queue, or its
// executor if that is a Host, or nil.
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

// serveLocked serves the source, without the lock, until it is recalled or the
// patience ends, and reports the latter.
func (q *Queue) serveLocked(p patience) (expired bool) {
	stop := p.watch(q.service.source)
	defer stop()
	q.service.Serve(&q.mu)
	return p.isOver()
}

func nothing() {}

// watch recalls s when the patience ends, until stop is called.
func (p patience) watch(s Source) (stop func()) {
	switch {
	case p.ctx != nil && p.ctx.Done() != nil:
		unwatch := context.AfterFunc(p.ctx, s.Recall)
		return func() { unwatch() }
	case p.ctx == nil && !p.deadline.IsZero():
		timer := time.AfterFunc(time.Until(p.deadline), s.Recall)
		return func() { timer.Stop() }
	}
	return nothing
}

// isOver reports whether the patience has ended.
func (p patience) isOver() bool {
	if p.ctx != nil {
		return p.ctx.Err() != nil
	}
	return !p.deadline.IsZero() && !time.Now().Before(p.deadline)
}
