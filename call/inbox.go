package call

import (
	"sync"

	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// inbox is the messages that have arrived and were not taken. It holds an
// assembler only while there are any, or part of one: an idle stream has none.
// The zero value is ready. Guarded by Call.mu.
type inbox struct {
	messages *frame.Assembler // nil: empty
}

var assemblers = sync.Pool{New: func() any { return new(frame.Assembler) }}

// push takes one DATA payload, which may be nil; see [frame.Assembler.Push].
func (i *inbox) push(b *mem.Buffer, limit int) error {
	if b == nil {
		return nil
	}
	if i.messages == nil {
		i.messages = assemblers.Get().(*frame.Assembler)
	}
	return i.messages.Push(b, limit)
}

// pop takes the next whole message.
func (i *inbox) pop() (m frame.Message, ok bool) {
	if i.messages == nil {
		return m, false
	}
	m, ok = i.messages.Pop()
	if i.messages.Empty() {
		i.release()
	}
	return m, ok
}

// drop drops everything.
func (i *inbox) drop() {
	if i.messages != nil {
		i.release()
	}
}

func (i *inbox) release() {
	i.messages.Close()
	*i.messages = frame.Assembler{}
	assemblers.Put(i.messages)
	i.messages = nil
}

// empty reports whether nothing is held.
func (i *inbox) empty() bool { return i.messages == nil }

// ready reports whether pop would return a message, several whether two.
func (i *inbox) ready() bool   { return i.messages != nil && i.messages.Ready() }
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
