package server

import (
	"fmt"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
)

// matcher pairs the calls of one method with the requests for them.
type matcher struct {
	// immutable
	server *Server

	mu sync.Mutex

	// guarded by mu
	lineup lineup
	closed bool
	timer  *time.Timer // fires when the oldest call is too old; nil if none waits
}

func newMatcher(s *Server) *matcher { return &matcher{server: s} }

// numRequests returns how many requests wait.
func (m *matcher) numRequests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lineup.waiting
}

// offer gives a call to a request, or lets it wait for one, or refuses it. It runs on
// the goroutine of the call's connection, whose lane takes the tag.
func (m *matcher) offer(a *arrival, lane *cq.Lane) {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		a.refuse(&statusShutDown)
		return
	}
	r := m.lineup.takeRequest(m.firstQueueLocked(a, lane))
	if r != nil {
		m.mu.Unlock()
		a.leave()
		m.pair(r, a)
		lane.Add(r.notify, r.completion())
		return
	}
	status, ok := m.server.pending.enter(a.received)
	if ok {
		m.pendLocked(a)
	}
	m.mu.Unlock()
	switch {
	case !ok:
		a.refuse(status)
	case a.call.Finished() && m.drop(a): // OnClosed may have come before the call was listed
		a.discard()
	}
}

// firstQueueLocked returns the index of the queue whose requests a call tries first.
func (m *matcher) firstQueueLocked(a *arrival, lane *cq.Lane) int {
	if m.server.cfg.byHomeQueue {
		return a.home
	}
	if q, ok := lane.Host().(*cq.Queue); ok {
		if i, ok := m.server.queueIndex(q); ok {
			return i
		}
	}
	return m.lineup.turn
}

// pendLocked lets a call wait.
func (m *matcher) pendLocked(a *arrival) {
	m.lineup.pending.push(a)
	a.held = a.received
	a.accounting.Store(true)
	age := m.server.pending.limits.Age
	if age < 0 {
		return
	}
	a.expiry = time.Now().Add(age)
	if m.timer == nil {
		m.timer = time.AfterFunc(age, m.expire)
	}
}

// unpendLocked takes a waiting call out of the line.
func (m *matcher) unpendLocked(a *arrival) {
	m.lineup.pending.remove(a)
	a.accounting.Store(false)
	m.server.pending.leave(a.held)
}

// ask gives a request the oldest waiting call that is alive, or lets it wait
// for one. Begin has been called on its queue.
func (m *matcher) ask(r *request) {
	for {
		m.mu.Lock()
		a := m.lineup.pending.head
		switch {
		case a != nil:
			m.unpendLocked(a)
		case !m.closed:
			m.lineup.addRequest(r)
			m.mu.Unlock()
			return
		}
		m.mu.Unlock()
		if a != nil && a.call.Finished() {
			a.discard()
			continue
		}
		if a != nil {
			m.pair(r, a)
		}
		r.notify.Complete(r.completion())
		return
	}
}

// pair makes a the answer to r.
func (m *matcher) pair(r *request, a *arrival) {
	a.call.BindCompleter(r.bound)
	r.arrival = a
}

// grow counts what a call that waits has sent. It reports false if that is too
// much; the call is then out of the line.
func (m *matcher) grow(a *arrival, n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !a.isPending {
		return true
	}
	if m.server.pending.grow(n) {
		a.held += n
		return true
	}
	m.unpendLocked(a)
	return false
}

// drop forgets a call that has ended, if it waits.
func (m *matcher) drop(a *arrival) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !a.isPending {
		return false
	}
	m.unpendLocked(a)
	return true
}

// expire refuses the calls that have waited too long. It is run by the timer.
func (m *matcher) expire() {
	now := time.Now()
	var old []*arrival
	m.mu.Lock()
	m.timer = nil
	for a := m.lineup.pending.head; a != nil && !a.expiry.After(now); a = m.lineup.pending.head {
		m.unpendLocked(a)
		old = append(old, a)
	}
	if a := m.lineup.pending.head; a != nil {
		m.timer = time.AfterFunc(a.expiry.Sub(now), m.expire)
	}
	m.mu.Unlock()
	status := cqrpc.Status{
		Code:    cqrpc.CodeUnavailable,
		Message: fmt.Sprintf("Nobody asked for the call within %v", m.server.pending.limits.Age),
	}
	for _, a := range old {
		a.refuse(&status)
	}
}

// shut answers all that wait: requests without a call, calls with UNAVAILABLE.
func (m *matcher) shut() {
	m.mu.Lock()
	m.closed = true
	requests := m.lineup.takeAllRequests()
	var calls []*arrival
	for a := m.lineup.pending.head; a != nil; a = m.lineup.pending.head {
		m.unpendLocked(a)
		calls = append(calls, a)
	}
	if m.timer != nil {
		m.timer.Stop()
		m.timer = nil
	}
	m.mu.Unlock()
	var lane cq.Lane
	for _, r := range requests {
		lane.Add(r.notify, r.completion())
	}
	lane.Flush()
	for _, a := range calls {
		a.refuse(&statusShutDown)
	}
}
