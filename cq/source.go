package cq

import (
	"context"
	"time"
)

// Source is where completions come from, a connection to be read for example. While
// a queue has nothing for a poller, the poller may do a source's work itself:
// then nobody has to wake it. C-core's grpc_completion_queue_next polls file
// descriptors for the same reason.
type Source interface {
	// Serve does the source's work on the caller's goroutine until Recall. It reports
	// false if that is no longer the caller's to do.
	Serve() bool
	// Recall makes Serve return soon, the one that runs or, if none does, the next
	// one perhaps. Any goroutine may call it.
	Recall()
}

// service is what a queue knows about its source. At most one poller serves it.
type service struct {
	source     Source // nil: there is none
	offers     uint64 // how many there were
	isServed   bool
	isRecalled bool // since it is served
}

// Offer lets pollers of q serve s, from when they have nothing else to do until
// Serve reports false. It reports false if none will: q is not of the kind that is
// made by [New], or shut down, or has another source. A source that is offered must look itself
// whether a poller comes, for they may all be busy elsewhere.
func (q *Queue) Offer(s Source) bool {
	if q.how != byNext {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shutdown.Load() || q.service.source != nil && q.service.source != s {
		return false
	}
	q.service.source = s
	q.service.offers++
	if q.awake == 0 && q.ready.len() == 0 && len(q.parked) > 0 && !q.service.isServed {
		q.wakeLocked(q.parked[len(q.parked)-1])
	}
	return true
}

// canServeLocked reports whether a harvester may serve the source.
func (q *Queue) canServeLocked() bool { return q.service.source != nil && !q.service.isServed }

// serveLocked serves the source, without the lock, until it is recalled or the
// patience ends, and reports the latter.
func (q *Queue) serveLocked(p patience) (expired bool) {
	sv := &q.service
	s, offer := sv.source, sv.offers
	sv.isServed, sv.isRecalled = true, false
	q.awake++ // it will look at ready
	q.mu.Unlock()
	stop := p.watch(s)
	isOurs := s.Serve()
	stop()
	q.mu.Lock()
	q.awake--
	sv.isServed = false
	if !isOurs && sv.offers == offer {
		sv.source = nil
	}
	return p.isOver()
}

// recallLocked returns the source that is to be recalled, when the lock is no longer held,
// because there is something for the poller that serves it; or nil.
func (q *Queue) recallLocked() Source {
	if !q.service.isServed || q.service.isRecalled {
		return nil
	}
	q.service.isRecalled = true
	return q.service.source
}

// recall recalls what recallLocked has returned.
func recall(s Source) {
	if s != nil {
		s.Recall()
	}
}

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
	return func() {}
}

// isOver reports whether the patience has ended.
func (p patience) isOver() bool {
	if p.ctx != nil {
		return p.ctx.Err() != nil
	}
	return !p.deadline.IsZero() && !time.Now().Before(p.deadline)
}
