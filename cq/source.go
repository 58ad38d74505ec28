package cq

import "sync/atomic"

// Source is where completions come from, for example a connection to be read. A
// goroutine that waits for one may do the source's work meanwhile: then nobody has to
// wake it. C-core's grpc_completion_queue_next polls file descriptors for the same reason.
type Source interface {
	// Serve does the source's work on the caller's goroutine, which is one of h's, until
	// isRecalled is set. It reports false if the work is no longer the caller's to do.
	Serve(h Host, isRecalled *atomic.Bool) bool
	// Nudge makes Serve look at isRecalled, which has just been set. Any goroutine may call it.
	Nudge()
	// Tend does work of the source that has gathered since Serve returned, such as writes, if
	// there is much of it: the goroutine that served the source may be busy for long with what
	// it has read. A host may call it whenever nobody serves the source, with no lock held. It
	// must not wait.
	Tend()
}

// Host has goroutines that wait for completions of a source and may serve it
// meanwhile. One is a [Queue] made by [New], with its pollers.
type Host interface {
	// Offer lets one goroutine at a time serve s, whenever it has nothing else to do, until
	// Serve reports false or s is withdrawn. It reports false if none will. True does not
	// promise that one comes soon: all may be busy, so the source has to watch for that.
	Offer(s Source) bool
	// Withdraw ends an offer: a goroutine that serves s now is the last to do so.
	Withdraw(s Source)
}

var _ Host = (*Queue)(nil)

// Offer implements [Host] for a queue made by [New] that is not shut down.
func (q *Queue) Offer(s Source) bool {
	if q.how != byNext {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.offerLocked(s)
}

func (q *Queue) offerLocked(s Source) bool {
	if q.shutdown.Load() || !q.service.Offer(s) {
		return false
	}
	if q.awake == 0 && q.ready.len() == 0 && len(q.parked) > 0 && q.service.IsDue() {
		q.wakeLocked(q.parked[len(q.parked)-1])
	}
	return true
}

// tendLocked tends the source, without the lock, if the caller has more events to take.
func (q *Queue) tendLocked() {
	s := q.service.source
	if !q.service.IsDue() || q.ready.len() == 0 {
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
		if !returned { // an inline callback has panicked or ended the goroutine; the lock is free
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
