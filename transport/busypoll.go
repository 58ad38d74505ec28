package transport

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	defaultBusyPoll = 100 * time.Microsecond
	maxBusyPoll     = time.Millisecond // whatever else waits for this goroutine is delayed by as much

	// busyPollPays is how soon something must come for a poll to cost no more than
	// waiting, where a thread goes to sleep and is woken, at this end and at the other.
	busyPollPays = 50 * time.Microsecond

	mostLate     = 64  // polls in a row that cost more than waiting
	maxPollPause = 256 // batches without a poll
)

// busyPoll decides when the reader polls: reads its socket again and again for a while before it
// waits. Where the two ends take turns, one call at a time, the next frame comes sooner than a
// thread is woken (docs/decisions/014). A poll ends soon, if something comes within busyPollPays;
// late, if something comes but waiting would have cost no more; or in vain.
//
//	soon      earns trust
//	late      changes nothing, but the 64th in a row takes all trust
//	in vain   takes half of all trust
//
// A processor is not spent on polling while there is other work. So a reader polls only if the last
// two reads in the process were its own, and stops when another reader reads; and only after a few
// messages, not in the middle of many.
type busyPoll struct {
	last  *atomic.Uint64 // lastToRead
	name  uint64         // of this reader, there
	most  time.Duration  // how long a poll may last; 0: there are none
	trust trust
	late  int8 // how many in a row were

	isAlone  bool      // the last two reads in the process were this reader's
	isInTurn bool      // few messages have just come, which will be answered
	since    time.Time // when the poll began; zero: there is none
}

// lastToRead is the name of the reader that read last, of those of this process.
var lastToRead, readers atomic.Uint64

// newBusyPoll returns the state of a reader that has not polled yet. With a single
// processor it never will: others need that.
func newBusyPoll(most time.Duration) *busyPoll {
	if runtime.GOMAXPROCS(0) < 2 {
		most = 0
	}
	return &busyPoll{last: &lastToRead, name: readers.Add(1), most: most, trust: newTrust(fullTrust, maxPollPause)}
}

// handled notes that a batch with so many messages has been handled. A connection has
// no busyPoll before its first message, nor while its reader rests.
func (c *Conn) handled(messages int) {
	if c.poll == nil {
		if messages == 0 || !c.rest.able {
			return
		}
		c.poll = newBusyPoll(c.cfg.BusyPoll)
	}
	c.poll.handled(messages)
}

func (b *busyPoll) handled(messages int) { b.isInTurn = 0 < messages && messages <= enoughToWrite }

// again reports, when there is nothing to read, whether to ask once more.
func (b *busyPoll) again() bool {
	switch {
	case b == nil || !b.isInTurn || !b.isAlone || b.most == 0:
		return false
	case b.since.IsZero():
		return b.begin()
	case b.last.Load() != b.name:
		b.end()
		return false
	case time.Since(b.since) >= b.most:
		b.end()
		b.lose(halfTrust)
		return false
	}
	return true
}

// begin begins a poll, unless there is a pause.
func (b *busyPoll) begin() bool {
	if !b.trust.isTried() {
		b.isInTurn = false
		return false
	}
	b.since = time.Now()
	return true
}

// end ends a poll: there is no other one before the next batch.
func (b *busyPoll) end() { b.since, b.isInTurn = time.Time{}, false }

// came notes that there was something to read.
func (b *busyPoll) came() {
	if b == nil {
		return
	}
	if !b.since.IsZero() {
		b.count(time.Since(b.since))
		b.end()
	}
	if b.isAlone = b.last.Load() == b.name; !b.isAlone {
		b.last.Store(b.name)
	}
}

// count counts a poll that was not in vain.
func (b *busyPoll) count(took time.Duration) {
	if took > busyPollPays {
		if b.late++; b.late >= mostLate {
			b.lose(fullTrust)
		}
		return
	}
	b.late = 0
	if b.trust.earn(); b.trust.level == fullTrust {
		b.trust.forgive()
	}
}

func (b *busyPoll) lose(n int8) {
	if b.trust.lose(n) {
		b.late = 0
	}
}
