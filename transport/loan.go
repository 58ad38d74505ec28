package transport

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

// loanState says who reads a connection: its reader, or the poller of a queue, whom
// the reader has lent that (docs/decisions/016).
//
//	             lend                    Serve
//	kept ──────────────────► lent ──────────────────► served
//	 ▲                       │  ▲                      │  │
//	 │ reclaim: it ended, or │  └─ Recall: something ──┘  │
//	 ├─ nobody came for it ◄─┘     is there for it        │
//	 └──────────── giveBack: a wait that is long, ◄───────┘
//	               part of a frame, an error
//
// While it is lent nobody reads: the poller is expected to come back soon.
type loanState uint32

const (
	kept   loanState = iota // the reader reads
	lent                    // nobody does, and the reader waits for back
	served                  // a poller does, and the reader waits for back
)

func (s loanState) String() string {
	switch s {
	case kept:
		return "kept"
	case lent:
		return "lent"
	case served:
		return "served"
	}
	return fmt.Sprintf("loanState(%d)", uint32(s))
}

// overseeAfter is how long nobody reads, at the least, before the reader reads again; it takes
// up to twice as long.
const overseeAfter = time.Millisecond

// loan is the cq.Source that pollers serve. A connection has none before the first, nor
// while its reader rests.
type loan struct {
	conn *Conn
	back chan loanEnd // capacity 1: reading is the reader's again

	// atomic
	state    atomic.Uint32 // a loanState
	recalled atomic.Bool
	waits    atomic.Bool // who serves waits for the socket, or is about to
	visits   atomic.Uint64
	overseen atomic.Bool // the timer is armed

	timer *time.Timer // of oversee
	seen  uint64      // the timer's only: visits, when it fired last

	// who reads only
	host  cq.Host
	left  time.Time // when the poller went to do what the last visit brought
	worth loanWorth
}

var _ cq.Source = (*loan)(nil)

// loanEnd is how a loan has ended.
type loanEnd struct {
	isQuiet bool  // the reader ought to rest
	isLate  bool  // the poller has not come back
	err     error // of reading
}

// to is the only place that changes the state. It reports false, and changes nothing,
// if that is not from.
func (l *loan) to(from, next loanState) bool {
	return l.state.CompareAndSwap(uint32(from), uint32(next))
}

func (l *loan) isServed() bool { return loanState(l.state.Load()) == served }

func newLoan(c *Conn) *loan {
	l := &loan{conn: c, back: make(chan loanEnd, 1), worth: newLoanWorth()}
	l.timer = time.AfterFunc(time.Hour, l.oversee)
	l.timer.Stop()
	return l
}

// lend lets a poller read, whom the batch has something for, until end. It reports
// false if there is none, or it would not pay.
func (c *Conn) lend() (end loanEnd, was bool) {
	host := c.lane.Foremost()
	if host == nil || c.poll == nil || !c.poll.isAlone || !c.r.IsEmpty() || c.stopped.Load() {
		return end, false
	}
	l := c.loan.Load()
	if l == nil {
		l = newLoan(c)
		c.loan.Store(l)
	}
	if c.isCrowded(host) || !l.worth.isTried() {
		return end, false
	}
	l.host = host
	l.leave()
	if !host.Offer(l) {
		l.reclaim(loanEnd{})
	}
	if c.stopped.Load() { // by a shut that did not see the loan
		l.reclaim(loanEnd{})
	}
	end = <-l.back
	if end.isLate {
		l.worth.lose(fullTrust)
	}
	return end, true
}

// isCrowded reports whether a batch is for several goroutines of a host, of which none would
// do the work of the others: then the reader had better wait for all of them.
func (c *Conn) isCrowded(host cq.Host) bool {
	if _, isQueue := host.(*cq.Queue); isQueue {
		return false
	}
	return c.asked > 1 || host == cq.Waiters() && c.NumStreams() > 1
}

// leave lets nobody read until the poller comes back, and lets what is sent meanwhile wait for it.
func (l *loan) leave() {
	l.recalled.Store(false)
	l.conn.beginBatch()
	l.left = time.Now()
	l.visits.Add(1)
	if loanState(l.state.Swap(uint32(lent))) == lent {
		panic("BUG: transport: lent twice")
	}
	if !l.overseen.Swap(true) {
		l.timer.Reset(overseeAfter)
	}
}

// oversee gives reading back to the reader if no poller has come for a while. It is
// run by the timer, which is armed no more while somebody reads.
func (l *loan) oversee() {
	if loanState(l.state.Load()) != lent {
		l.overseen.Store(false)
		if loanState(l.state.Load()) != lent || l.overseen.Swap(true) {
			return
		}
	}
	if v := l.visits.Load(); v != l.seen {
		l.seen = v
		l.timer.Reset(overseeAfter)
		return
	}
	l.overseen.Store(false)
	l.reclaim(loanEnd{isLate: true})
}

// reclaim gives reading back to the reader, unless it has it, or a poller reads.
func (l *loan) reclaim(end loanEnd) {
	if l.to(lent, kept) {
		l.back <- end
	}
}

// giveBack gives reading back to the reader by the poller that had it.
func (l *loan) giveBack(end loanEnd) {
	l.conn.lane.SetHost(nil)
	if !l.to(served, kept) {
		panic("BUG: transport: a loan that is served by nobody is given back")
	}
	l.back <- end
}

// Serve implements cq.Source: it reads, handles and writes as the reader does, but
// waits for nothing except the beginning of a frame.
func (l *loan) Serve() bool {
	if !l.to(lent, served) {
		return false
	}
	c := l.conn
	c.lane.SetHost(l.host)
	l.worth.away(time.Since(l.left), c.asked)
	c.endBatch(true)
	for !l.recalled.Load() {
		switch c.await() {
		case recalled:
			l.worth.lose(calledLost)
			continue
		case restDue:
			l.giveBack(loanEnd{isQuiet: true})
			return false
		}
		if !c.r.Buffered() {
			l.worth.lose(partLost)
			l.giveBack(loanEnd{})
			return false
		}
		l.worth.gain()
		if err := c.readBatch(); err != nil {
			l.giveBack(loanEnd{err: err})
			return false
		}
		if !l.recalled.Load() {
			c.endBatch(true)
		}
	}
	if c.isCrowded(l.host) {
		l.worth.lose(crowdLost)
	}
	if l.worth.trust == 0 || c.isCrowded(l.host) {
		l.giveBack(loanEnd{})
		return false
	}
	c.lane.SetHost(nil)
	l.leave()
	return true
}

// Recall implements cq.Source.
func (l *loan) Recall() {
	l.recalled.Store(true)
	if l.waits.Load() {
		l.conn.nudge()
	}
}

// isRecalled reports whether who reads is a poller that is wanted elsewhere.
func (c *Conn) isRecalled() bool {
	l := c.loan.Load()
	return l != nil && l.recalled.Load() && l.isServed()
}

// beginWait announces that who reads is about to wait for the socket. It reports false
// if that is a poller that is wanted elsewhere.
func (c *Conn) beginWait() bool {
	l := c.loan.Load()
	if l == nil || !l.isServed() {
		return true
	}
	l.waits.Store(true)
	return !l.recalled.Load()
}

// endWait is the end of what beginWait has announced, if it has.
func (c *Conn) endWait() {
	if l := c.loan.Load(); l != nil && l.waits.Load() {
		l.waits.Store(false)
	}
}

const (
	crowdLost  = 1 // what came was for several goroutines
	partLost   = 2 // trust: the poller met part of a frame
	slowLost   = 2 // it was away for long
	calledLost = 1 // it was recalled before anything came

	// maxAway and maxAwayEach are how long a poller is away that is worth waiting for:
	// longer, and the time for each message. Others could read meanwhile.
	maxAway     = 50 * time.Microsecond
	maxAwayEach = 5 * time.Microsecond

	maxLoanPause = 1024
)

// loanWorth is what the reader knows of whether loans pay. A pause in which there are none, of
// so many batches, follows where trust ends.
type loanWorth struct {
	trust int8 // 0 to fullTrust
	pause int  // batches until the next loan
	next  int  // the length of the next pause
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

// gain notes that a poller has read.
func (w *loanWorth) gain() {
	if w.trust = min(w.trust+1, fullTrust); w.trust == fullTrust {
		w.next = minPause
	}
}

// away notes how long the poller was away with so many messages.
func (w *loanWorth) away(d time.Duration, messages int) {
	if d > maxAway+time.Duration(messages)*maxAwayEach {
		w.lose(slowLost)
	}
}

func (w *loanWorth) lose(trust int8) {
	if w.trust = max(w.trust-trust, 0); w.trust == 0 {
		w.pause, w.next = w.next, min(2*w.next, maxLoanPause)
	}
}
