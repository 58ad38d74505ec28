package reactor

import "sync/atomic"

// fate is how far a call and its reactor have come, each without the other.
//
//	        handler returned a reactor
//	alone ───────────────────────────► bound: closing tells the reactor
//	  └────── the call ended ──────► ended, cancelled: bind tells the reactor
type fate uint32

const (
	alone fate = iota
	bound
	ended
	cancelled
)

// fates is the fate of a call, and how many TryCancels that found it alone have not returned.
// Whose reactor is bound meanwhile waits for them: their callers may hold a lock that its
// reactions want, and Inline would run these on their stacks.
type fates struct {
	word atomic.Uint32
}

// moment is what the word has been.
type moment uint32

const (
	fateBits  moment = 1<<2 - 1
	oneCancel moment = 1 << 2
)

func (m moment) fate() fate        { return fate(m & fateBits) }
func (m moment) isCancelled() bool { return m >= oneCancel }

func (f *fates) now() moment { return moment(f.word.Load()) }

// to is the only place that changes a fate, which must be alone. It returns false if it
// is not m any more.
func (f *fates) to(next fate, m moment) bool {
	return f.word.CompareAndSwap(uint32(m), uint32(m)|uint32(next))
}

// end says how the call has ended. It returns false if there is a reactor to be told.
func (f *fates) end(how fate) bool {
	for m := f.now(); m.fate() == alone; m = f.now() {
		if f.to(how, m) {
			return true
		}
	}
	return false
}

// enter precedes a TryCancel, and leave follows it. It returns false unless the call is alone.
func (f *fates) enter() bool {
	for m := f.now(); m.fate() == alone; m = f.now() {
		if f.word.CompareAndSwap(uint32(m), uint32(m+oneCancel)) {
			return true
		}
	}
	return false
}

// leave returns true if a reactor was bound meanwhile, and this was the last it has waited for.
func (f *fates) leave() bool {
	m := moment(f.word.Add(^uint32(oneCancel - 1)))
	return m.fate() == bound && !m.isCancelled()
}
