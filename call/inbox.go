package call

import (
	"sync"

	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
	"github.com/cqrpc/cqrpc/internal/quota"
)

// inbox is the messages that have arrived and were not taken. It has an assembler only
// while there are several, or a part of one: an idle stream has none, nor does a small
// message that has a DATA frame to itself, as most have. The zero value is ready to use.
// Guarded by Call.mu.
type inbox struct {
	only     *mem.Buffer // one message with its prefix, and messages is nil
	messages *assembly   // nil: there is nothing else
}

// assembly is what is there, and the account that is charged for it.
type assembly struct {
	frame.Assembler
	account *quota.Account
	size    int // bytes
	charged int // of what it occupies
}

// occupies returns the bytes that are there, and those that memory is reserved for.
func (a *assembly) occupies() int { return a.size + a.Reserved() }

// uncounted is how many bytes a call may hold without being counted. The request of most
// calls waits for its handler only for a moment, and counting it would have all
// connections contend for the shared counters.
const uncounted = 4 << 10

var assemblies = sync.Pool{New: func() any { return new(assembly) }}

// push takes one DATA payload, which may be nil; see [frame.Assembler.Push].
func (i *inbox) push(b *mem.Buffer, limit int, to *quota.Account) error {
	switch {
	case b == nil:
		return nil
	case i.empty() && b.Len() <= uncounted && frame.IsMessage(b.Bytes(), limit):
		i.only = b
		return nil
	case i.messages == nil:
		i.messages = assemblies.Get().(*assembly)
		i.messages.account = to
	}
	if first := i.only; first != nil {
		i.only = nil
		_ = i.messages.push(first, -1) // it is one, and within the limit
	}
	return i.messages.push(b, limit)
}

func (a *assembly) push(b *mem.Buffer, limit int) error {
	a.size += b.Len()
	return a.Push(b, limit)
}

// pop takes the next whole message.
func (i *inbox) pop() (m frame.Message, ok bool) {
	if b := i.only; b != nil {
		i.only = nil
		return frame.TakeMessage(b), true
	}
	a := i.messages
	if a == nil {
		return m, false
	}
	if m, ok = a.Pop(); ok {
		a.size -= frame.PrefixLen + m.Body.Len()
		a.refund()
	}
	if a.Empty() {
		i.release()
	}
	return m, ok
}

// charge charges the account for what is there by now, and reports whether it may hold
// that much.
func (i *inbox) charge() bool {
	a := i.messages
	if a == nil {
		return true
	}
	n := a.occupies()
	if n <= max(a.charged, uncounted) {
		return true
	}
	more := n - a.charged
	a.charged = n
	return a.account.Charge(int64(more))
}

// refund gives back what was charged for messages that were taken since.
func (a *assembly) refund() {
	if n := a.charged - a.occupies(); n > 0 {
		a.charged -= n
		a.account.Release(int64(n))
	}
}

// drop drops everything.
func (i *inbox) drop() {
	i.only.Free()
	i.only = nil
	if i.messages != nil {
		i.release()
	}
}

func (i *inbox) release() {
	a := i.messages
	a.account.Release(int64(a.charged))
	a.Close()
	*a = assembly{}
	assemblies.Put(a)
	i.messages = nil
}

// empty reports whether nothing is held.
func (i *inbox) empty() bool { return i.only == nil && i.messages == nil }

// ready reports whether pop would return a message, several whether two.
func (i *inbox) ready() bool   { return i.only != nil || i.messages != nil && i.messages.Ready() }
func (i *inbox) several() bool { return i.messages != nil && i.messages.Several() }

// mid reports whether what has come ends inside a message; partial says how much
// of it is there.
func (i *inbox) mid() bool { return i.messages != nil && i.messages.Mid() }

func (i *inbox) partial() (got, want int) {
	if i.messages == nil {
		return 0, 0
	}
	return i.messages.Partial()
}
