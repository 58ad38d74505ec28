package cq

import (
	"slices"
	"sync"
)

// maxIdleLane is the most entries for which room is kept between flushes.
const maxIdleLane = 1024

// Lane is a goroutine-local collector of completions. Whoever finds out, under
// some lock, that operations have ended adds them here and delivers them after
// unlocking; a read loop delivers once per batch of frames, so a queue is
// locked and woken once per batch. The zero value is ready to use. A Lane
// belongs to one goroutine.
type Lane struct {
	*laneRoom           // nil: one completion at most is collected
	only      laneEntry // that one, without a completer if there is none
	flushing  bool
	foremost  Host // see Foremost
	host      Host // see Host
}

// laneRoom is where a lane collects more than one completion. A lane gives it back in
// Flush, because most lanes belong to connections, which are idle most of the time, or to
// goroutines that only start a batch of operations.
type laneRoom struct {
	pending []laneEntry
	batch   []laneEntry  // what is being delivered; nil: nothing is
	begun   int          // of batch
	spare   []laneEntry  // an empty array for the next pending
	scratch []Completion // those of one queue, while they are delivered
}

var laneRooms = sync.Pool{New: func() any { return new(laneRoom) }}

type laneEntry struct {
	to Completer
	c  Completion
}

// Add collects one completion for to.
func (l *Lane) Add(to Completer, c Completion) {
	if l.laneRoom == nil && l.only.to == nil {
		l.only = laneEntry{to, c}
		return
	}
	l.expand()
	l.pending = append(l.pending, laneEntry{to, c})
}

// expand makes room for more than one.
func (l *Lane) expand() {
	if l.laneRoom != nil {
		return
	}
	l.laneRoom = laneRooms.Get().(*laneRoom)
	l.pending = append(l.pending, l.only)
	l.only = laneEntry{}
}

// Foremost returns the host that was the first to get something from the last Flush, or nil.
func (l *Lane) Foremost() Host { return l.foremost }

// Host returns the host whose goroutine uses the lane while it serves a [Source]; else nil. A
// completion that may go to any queue, such as a server's new call, best goes to that host: its
// poller need not be woken.
func (l *Lane) Host() Host { return l.host }

// SetHost sets what Host returns.
func (l *Lane) SetHost(h Host) { l.host = h }

// Empty reports whether nothing is collected.
func (l *Lane) Empty() bool {
	return l.only.to == nil && (l.laneRoom == nil || len(l.pending) == 0)
}

// Flush delivers everything collected, and everything added meanwhile by
// callbacks of an [Inline] executor, and leaves the lane empty. Completions
// for one Queue are delivered together, in the order they were added; there is
// no order between different completers. Call it with no lock held. Flush from
// within Flush does nothing: the outer one delivers.
func (l *Lane) Flush() {
	if l.flushing {
		return
	}
	l.foremost = nil
	if l.Empty() {
		return
	}
	l.flushing = true
	defer func() { // if an inline callback panics, the next Flush delivers the rest
		l.flushing = false
		l.keepRest()
	}()
	for !l.Empty() {
		l.flushOnce()
	}
	l.giveBack()
}

// keepRest puts back, in front of everything else, what could not be delivered.
func (l *Lane) keepRest() {
	if l.laneRoom != nil && l.batch != nil {
		l.pending = slices.Concat(l.batch[l.begun:], l.pending)
		l.spare, l.batch = nil, nil // neither was cleared
	}
}

// flushOnce delivers what is collected now.
func (l *Lane) flushOnce() {
	if l.laneRoom == nil {
		e := l.only
		l.only = laneEntry{}
		l.meet(e.to)
		if q, ok := e.to.(*Queue); ok {
			q.completeAll([]Completion{e.c}, l.host == Host(q))
			return
		}
		e.to.Complete(e.c)
		return
	}
	batch := l.pending
	l.pending = l.spare[:0]
	l.batch = batch
	l.deliver(batch)
	clear(batch)
	l.spare, l.batch = batch[:0], nil
}

// giveBack gives up an empty lane's room.
func (l *Lane) giveBack() {
	if l.laneRoom == nil {
		return
	}
	if cap(l.pending) <= maxIdleLane && cap(l.spare) <= maxIdleLane {
		laneRooms.Put(l.laneRoom)
	}
	l.laneRoom = nil
}

// deliver completes every entry of batch. An entry that was delivered ahead of
// its turn, together with an earlier one of the same queue, has no completer.
func (l *Lane) deliver(batch []laneEntry) {
	for i := range batch {
		l.begun = i + 1
		switch to := batch[i].to.(type) {
		case nil:
		case *Queue:
			l.meet(to)
			l.gather(to, batch[i:])
			to.completeAll(l.scratch, l.host == Host(to))
			clear(l.scratch)
		default:
			l.meet(to)
			to.Complete(batch[i].c)
		}
	}
}

// meet notes the host of c, if it is the first one.
func (l *Lane) meet(c Completer) {
	if l.foremost != nil {
		return
	}
	if c, ok := c.(hosted); ok {
		l.foremost = c.Host()
	}
}

// hosted is a Completer with a host, which may be nil.
type hosted interface{ Host() Host }

// gather moves the completions for q to scratch, in order.
func (l *Lane) gather(q *Queue, batch []laneEntry) {
	l.scratch = l.scratch[:0]
	for i := range batch {
		if batch[i].to == Completer(q) {
			l.scratch = append(l.scratch, batch[i].c)
			batch[i].to = nil
		}
	}
}
