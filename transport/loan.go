package transport

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// loanState says who reads a connection: its reader, or a goroutine to which the reader has lent it
// because that waits for something from it anyway (docs/decisions/016).
//
//	              lend                     Serve
//	kept ───────────────────► lent ───────────────────► served
//	 ▲                        │  ▲                       │  │
//	 │ reclaim: nobody came, ─┘  └── vacate: something ──┘  │
//	 │ or the end                    is there for it        │
//	 └───────────── giveBack: part of a frame, an error, ───┘
//	                a long wait, several to be woken
//
// While the state is lent nobody reads: a goroutine of the host is expected to come soon.
type loanState uint32

const (
	kept   loanState = iota // the reader reads
	lent                    // nobody does, and the reader waits for back
	served                  // somebody else does, and the reader waits for back
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

// overseeAfter is how long nobody reads before the reader reads again.
const overseeAfter = time.Millisecond

// loan is the cq.Source that goroutines of a host serve. A connection has one from the first
// time its reader lends it, until the reader rests.
type loan struct {
	conn *Conn
	back chan loanEnd // capacity 1: reading is the reader's again

	// atomic
	state      atomic.Uint32 // a loanState
	waits      atomic.Bool   // the goroutine that serves waits for the socket, or is about to
	left       atomic.Int64  // an instant: when that goroutine went to handle what it had read
	isOverseen atomic.Bool   // the timer is armed
	gathered   atomic.Int32  // how often a flusher was asked for since one is due; written under Conn.mu

	timer *time.Timer // of oversee

	// owned by whoever reads
	isRecalled *atomic.Bool // the server of the loan is wanted elsewhere
	worth      loanWorth
}

var _ cq.Source = (*loan)(nil)

// loanEnd is how a loan has ended.
type loanEnd struct {
	isQuiet bool  // the reader ought to rest
	isLate  bool  // nobody has come back
	err     error // of reading
}

// to is the only place that changes the state. It changes nothing and reports false
// unless the state is from.
func (l *loan) to(from, next loanState) bool {
	return l.state.CompareAndSwap(uint32(from), uint32(next))
}

func (l *loan) is(s loanState) bool { return loanState(l.state.Load()) == s }

func newLoan(c *Conn) *loan {
	l := &loan{conn: c, back: make(chan loanEnd, 1), worth: newLoanWorth()}
	l.timer = time.AfterFunc(time.Hour, l.oversee)
	l.timer.Stop()
	return l
}

// lend offers the connection to the host that the batch has something for. It returns how the loan
// has ended when reading is the reader's again, or at once if there is no host or a loan would not
// pay.
func (c *Conn) lend() (end loanEnd) {
	host := c.lane.Foremost()
	if host == nil || c.poll == nil || !c.poll.isAlone || !c.r.IsEmpty() || c.isEnding() {
		return end
	}
	l := c.loan.Load()
	if l == nil {
		if runtime.GOMAXPROCS(0) < 2 {
			return end // waking a goroutine costs next to nothing
		}
		l = newLoan(c)
		c.loan.Store(l)
	}
	if c.isCrowded(host) || !l.worth.isTried() {
		return end
	}
	l.vacate()
	if !host.Offer(l) && l.to(lent, kept) {
		l.worth.lose(refusedLost)
		return end
	}
	end = <-l.back
	host.Withdraw(l)
	if end.isLate {
		l.worth.lose(fullTrust)
	}
	return end
}

// isCrowded reports whether a batch is for several goroutines of a host, none of which would do the
// work of the others, as pollers of a queue do. Then the reader had better go on reading itself, and
// wait for the answers of all of them in endBatch.
func (c *Conn) isCrowded(host cq.Host) bool {
	if _, isQueue := host.(*cq.Queue); isQueue {
		return false
	}
	return c.asked > 1 || host == cq.Waiters() && c.NumStreams() > 1
}

// vacate makes the state lent: nobody reads until a goroutine comes to serve, and that one
// also writes what is sent meanwhile.
func (l *loan) vacate() {
	c := l.conn
	if !c.batching {
		c.batching = true
		c.setInBatch()
	}
	l.left.Store(int64(now()))
	l.isRecalled = nil
	if !l.to(kept, lent) && !l.to(served, lent) {
		panic("BUG: transport: lent twice")
	}
	if !l.isOverseen.Swap(true) {
		l.timer.Reset(overseeAfter)
	}
	if c.isEnding() { // interrupt may have come before the state was lent
		l.reclaim(loanEnd{})
	}
}

// oversee gives reading back to the reader if nobody has come for a while. The timer runs it, and is
// not armed again while somebody reads.
func (l *loan) oversee() {
	if !l.is(lent) {
		l.isOverseen.Store(false)
		if !l.is(lent) || l.isOverseen.Swap(true) {
			return
		}
	}
	if rest := overseeAfter - (now() - instant(l.left.Load())).duration(); rest > 0 {
		l.timer.Reset(rest)
		return
	}
	l.isOverseen.Store(false)
	l.reclaim(loanEnd{isLate: true})
}

// reclaim gives reading back to the reader, if nobody reads.
func (l *loan) reclaim(end loanEnd) {
	if l.to(lent, kept) {
		l.back <- end
	}
}

// giveBack gives reading back to the reader. The goroutine that serves calls it.
func (l *loan) giveBack(end loanEnd) {
	l.conn.lane.SetHost(nil)
	l.isRecalled = nil
	if !l.to(served, kept) {
		panic("BUG: transport: a loan that is served by nobody is given back")
	}
	l.back <- end
}

// Serve implements cq.Source: it reads, handles and writes as the reader does, but
// waits only where it can be recalled: for a frame to begin, or inside a large one.
func (l *loan) Serve(h cq.Host, isRecalled *atomic.Bool) bool {
	if !l.to(lent, served) {
		return false
	}
	returned := false
	defer func() {
		if !returned { // an inline reaction has panicked, or ended the goroutine
			l.giveBack(loanEnd{err: errAbandoned})
		}
	}()
	end, isOver := l.serve(h, isRecalled)
	returned = true
	if isOver {
		l.giveBack(end)
		return false
	}
	l.conn.lane.SetHost(nil)
	l.vacate()
	return true
}

// errAbandoned ends a connection whose reading has stopped in the middle.
var errAbandoned = errors.New("a callback on the goroutine that reads has panicked, or ended it")

// serve is Serve until the loan is over, or the goroutine that serves is recalled for a while.
func (l *loan) serve(h cq.Host, isRecalled *atomic.Bool) (end loanEnd, isOver bool) {
	c := l.conn
	c.lane.SetHost(h)
	l.isRecalled = isRecalled
	l.worth.away((now() - instant(l.left.Load())).duration(), int(c.asked))
	c.endBatch()
	for !c.isRecalled() {
		switch c.await() {
		case recalled:
			l.worth.lose(calledLost)
			continue
		case restDue:
			return loanEnd{isQuiet: true}, true
		case came:
		}
		isWhole := c.r.Buffered()
		if !isWhole && !(c.isPlain && c.r.IsInterruptible()) {
			l.worth.lose(partLost)
			return loanEnd{}, true
		}
		l.worth.gain()
		c.isBulk = !isWhole
		err := c.readBatch()
		c.isBulk = false
		switch {
		case errors.Is(err, frame.ErrInterrupted): // wanted elsewhere: the reader goes on with the frame
			l.worth.lose(calledLost)
			return loanEnd{}, true
		case err != nil:
			return loanEnd{err: err}, true
		}
		if !c.isRecalled() {
			c.endBatch()
		}
	}
	isCrowded := c.isCrowded(h)
	if isCrowded {
		l.worth.lose(crowdLost)
	}
	return loanEnd{}, isCrowded || l.worth.level == 0 || c.isEnding()
}

// Nudge implements cq.Source.
func (l *loan) Nudge() {
	if l.waits.Load() {
		l.conn.nudge()
	}
}

// enoughGathered is how many streams with something to send are worth a write before the goroutine
// that has read the batch is done with it, so that the peer need not wait. Fewer wait and are
// written together, because most batches are small.
const enoughGathered = 16

// Tend implements cq.Source: it writes what Serve would otherwise write when the goroutine comes back.
func (l *loan) Tend() {
	if l.gathered.Load() < enoughGathered || !l.is(lent) {
		return
	}
	c := l.conn
	c.mu.Lock()
	isDue := c.flusher == flusherDue && c.state != closed
	if isDue {
		c.startFlusherLocked()
	}
	c.mu.Unlock()
	if isDue {
		c.flushInline()
	}
}

// gatherLocked counts what waits for a flusher that is due.
func (c *Conn) gatherLocked() {
	if l := c.loan.Load(); l != nil {
		l.gathered.Add(1)
	}
}

// interrupt ends a loan, or makes the goroutine that serves end it, because c.isEnding.
func (l *loan) interrupt() {
	l.reclaim(loanEnd{})
	if l.is(served) {
		l.conn.nudge()
	}
}

// isRecalled reports whether a host's goroutine reads, and is wanted elsewhere.
func (c *Conn) isRecalled() bool {
	l := c.loan.Load()
	return l != nil && l.is(served) && (l.isRecalled.Load() || c.isEnding())
}

// beginWait announces a wait for the socket. It reports false if the caller is a host's goroutine
// that is wanted elsewhere: then it must not wait.
func (c *Conn) beginWait() bool {
	l := c.loan.Load()
	if l == nil || !l.is(served) {
		return true
	}
	l.waits.Store(true)
	return !c.isRecalled()
}

// endWait ends the wait that beginWait has announced, if it has announced one.
func (c *Conn) endWait() {
	if l := c.loan.Load(); l != nil && l.waits.Load() {
		l.waits.Store(false)
	}
}
