package reaction

import (
	"sync"

	"github.com/cqrpc/cqrpc/cq"
)

// Reactor is what a style makes of a mailbox's decisions. Its methods are never
// called at the same time, nor on the stack of a StartX.
type Reactor interface {
	// React runs the application's reaction to the end of an operation. Another
	// of the kind may be started from inside. message decodes what a Read has
	// brought; nil if it was not given to the call.
	React(k Kind, ok bool, message cq.Finalizer)
	// Exhausted is called once when nobody can start anything any more.
	Exhausted()
	// Done is the last: nothing is outstanding and nothing can be started.
	Done()
}

// Mailbox serialises the reactions of one reactor and counts what is outstanding.
// The zero value is closed: operations are queued until the reactor is bound to
// a call, and the call is started.
type Mailbox struct {
	mu sync.Mutex

	// guarded by mu
	early   *Early       // what was asked for before there was a call; nil: nothing
	message cq.Finalizer // of a Read that is ready

	// immutable once bound
	loop    *Loop
	reactor Reactor
	terms   Terms

	// guarded by mu; here because they fit into what terms leaves of its word
	state      state
	busy       Set // asked for, and the reaction has not begun
	ready      Set // of those, ended
	oks        Set // of those, well
	needs      Set
	barred     Set
	isStarted  bool
	exhaustion exhaustion
	entered    int32
	holds      int32
}

var earlyOps = sync.Pool{New: func() any { return new(Early) }}

var _ cq.Callback = (*Mailbox)(nil)

// Bind gives the mailbox its reactor, before Start and before anything is told to it.
func (m *Mailbox) Bind(loop *Loop, r Reactor, terms Terms) {
	m.mu.Lock()
	m.loop, m.reactor, m.terms = loop, r, terms
	m.needs, m.entered = terms.Needs, 0
	if terms.IsEntered {
		m.entered = 1
	}
	m.mu.Unlock()
}

// Host is that of the loop, see [Loop.Host].
func (m *Mailbox) Host() cq.Host { return m.loop.Host() }

// Start says that the call begins, with some kinds outstanding. The mailbox
// stays closed until Take. It reports false if it was started before.
func (m *Mailbox) Start(busy Set) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isStarted {
		return false
	}
	m.isStarted = true
	m.busy |= busy
	return true
}

// Take returns the operations that were queued. If there are none it opens the
// mailbox, which then belongs to the caller: it must call Run or Yield.
func (m *Mailbox) Take() (Early, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.early == nil {
		m.state.to(running)
		return Early{}, false
	}
	e := *m.early
	*m.early = Early{}
	earlyOps.Put(m.early)
	m.early = nil
	return e, true
}

// Begin asks for an operation.
func (m *Mailbox) Begin(op *Op) Answer {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.state == finished:
		return Over
	case m.exhaustion != notExhausted:
		return Unheld
	case m.barred.Has(op.Kind):
		return Barred
	case m.busy&(op.Clash|1<<op.Kind) != 0:
		return Outstanding
	}
	m.busy |= 1 << op.Kind
	m.barred |= op.Bars
	if m.state == closed {
		if m.early == nil {
			m.early = earlyOps.Get().(*Early)
		}
		m.early.put(op)
		return Queued
	}
	if m.loop.isInline {
		m.entered++
	}
	return Go
}

// Leave follows a Begin that returned Go, once the operation was started: reactions that
// are due may run again. Until then Inline must not run any, because that might be on the
// stack of the caller.
func (m *Mailbox) Leave() {
	if m.loop.isInline {
		m.Exit()
	}
}

// Enter precedes something that is no operation but may end some, such as a cancel; Exit
// follows it. In between Inline runs no reaction, as between Begin and Leave.
func (m *Mailbox) Enter() {
	m.mu.Lock()
	m.entered++
	m.mu.Unlock()
}

// Exit ends Enter.
func (m *Mailbox) Exit() {
	m.mu.Lock()
	m.entered--
	isDue := m.wakeLocked()
	m.mu.Unlock()
	if isDue {
		m.loop.Hand(m)
	}
}

// Bar bars kinds and reports whether none of them was barred before.
func (m *Mailbox) Bar(kinds Set) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	wasFree := m.barred&kinds == 0
	m.barred |= kinds
	return wasFree
}

// IsBarred reports whether k cannot be started any more.
func (m *Mailbox) IsBarred(k Kind) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.barred.Has(k)
}

// Tell says that an operation has ended and that the application reacts to it. The engine
// calls it, or code that has failed to start the operation.
func (m *Mailbox) Tell(k Kind, ok bool) { m.tell(k, ok, nil) }

// TellRead is Tell of a Read that the call has ended. The mailbox keeps message:
// another Read may be under way before the reaction has looked at it.
func (m *Mailbox) TellRead(ok bool, message cq.Finalizer) { m.tell(Read, ok, message) }

func (m *Mailbox) tell(k Kind, ok bool, message cq.Finalizer) {
	m.mu.Lock()
	m.ready |= 1 << k
	if k == Read {
		m.message = message
	}
	if ok {
		m.oks |= 1 << k
	}
	isDue := m.wakeLocked()
	m.mu.Unlock()
	if isDue {
		m.loop.Post(m)
	}
}

// End says that an operation has ended to which nobody reacts.
func (m *Mailbox) End(k Kind) {
	m.mu.Lock()
	m.busy &^= 1 << k
	m.needs &^= 1 << k
	isDue := m.wakeLocked()
	m.mu.Unlock()
	if isDue {
		m.loop.Post(m)
	}
}

// AddHolds keeps the reactor from being exhausted, and from Done, until as many
// holds were removed.
func (m *Mailbox) AddHolds(n int32) {
	m.mu.Lock()
	m.holds += n
	m.mu.Unlock()
}

// RemoveHold reports false if there was none to remove.
func (m *Mailbox) RemoveHold() bool {
	m.mu.Lock()
	if m.holds == 0 {
		m.mu.Unlock()
		return false
	}
	m.holds--
	isDue := m.wakeLocked()
	m.mu.Unlock()
	if isDue {
		m.loop.Hand(m)
	}
	return true
}

// wakeLocked reports whether the mailbox was idle and has something to do. Then it is
// running, and the caller has to put it on the loop.
func (m *Mailbox) wakeLocked() bool {
	if m.state != idle || m.entered > 0 && m.loop.isInline || !m.isDueLocked() {
		return false
	}
	m.state.to(running)
	return true
}

// isDueLocked reports whether there is something for Run to do.
func (m *Mailbox) isDueLocked() bool {
	switch {
	case m.ready != 0 || m.exhaustion == exhaustionDue:
		return true
	case m.holds > 0:
		return false
	case m.busy|m.needs == 0:
		if m.terms.IsQuiet {
			m.state.to(finished)
		}
		return !m.terms.IsQuiet
	case m.exhaustion == notExhausted && m.isExhaustedLocked():
		m.exhaustion.to(exhaustionDue)
		return true
	}
	return false
}

// isExhaustedLocked reports whether nobody can start anything any more; see [Terms].
func (m *Mailbox) isExhaustedLocked() bool {
	return !m.terms.IsLasting && m.busy&^m.terms.Passive == 0 && m.needs == m.terms.Last
}

// Yield ends what Take began: the loop goes on if something is due.
func (m *Mailbox) Yield() {
	m.mu.Lock()
	isDue := m.isDueLocked()
	if !isDue && m.state == running {
		m.state.to(idle)
	}
	m.mu.Unlock()
	if isDue {
		m.loop.Hand(m)
	}
}

// Run runs reactions until there are none to run.
func (m *Mailbox) Run(cq.Event) {
	isOrderly := false
	defer func() {
		if !isOrderly { // a reaction ended its goroutine (runtime.Goexit)
			m.loop.Hand(m)
		}
	}()
	for m.step() {
	}
	isOrderly = true
}

// step does one thing, and reports false if there was nothing or it was the last.
func (m *Mailbox) step() bool {
	m.mu.Lock()
	if m.state == finished || !m.isDueLocked() {
		if m.state == running {
			m.state.to(idle)
		}
		m.mu.Unlock()
		return false
	}
	switch {
	case m.ready != 0:
		k := m.ready.first()
		ok := m.oks.Has(k)
		m.ready &^= 1 << k
		m.oks &^= 1 << k
		m.busy &^= 1 << k
		m.needs &^= 1 << k
		var message cq.Finalizer
		if k == Read {
			message, m.message = m.message, nil
		}
		m.mu.Unlock()
		m.reactor.React(k, ok, message)
		return true
	case m.exhaustion == exhaustionDue:
		m.exhaustion.to(exhausted)
		m.mu.Unlock()
		m.reactor.Exhausted()
		return true
	}
	m.state.to(finished)
	m.mu.Unlock()
	m.reactor.Done()
	return false
}
