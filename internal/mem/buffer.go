package mem

import (
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// slack lets a round payload and the few bytes around it share a class.
	slack = 64
	// maxPooled is the largest backing array kept in a pool, in bytes: gRPC's
	// default limit for a message (docs/decisions/005).
	maxPooled = 4<<20 + slack
)

// classes are the capacities of the pools, ascending; the last is maxPooled.
var classes = [...]int{
	256, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16<<10 + slack, 32<<10 + slack, 64<<10 + slack, 128<<10 + slack,
	256<<10 + slack, 512<<10 + slack, 1<<20 + slack, 2<<20 + slack, maxPooled,
}

var pools [len(classes)]sync.Pool

// views holds the idle headers of Sub: a message in a larger buffer costs no
// allocation. Those of Wrap are left to the collector, for they go to
// applications, and freeing one twice then panics for certain.
var views sync.Pool

// Buffer is a reference-counted slice of bytes. The zero value is not usable;
// make one with Get or Wrap. Methods other than Ref and Free may not run
// concurrently with a writer of the bytes.
type Buffer struct {
	data   []byte
	parent *Buffer // Sub: the buffer whose memory this is a view of, no view itself
	back   []byte  // the pooled backing array, nil if unpooled
	refs   atomic.Int32
	class  int8 // index into pools, -1 if unpooled
}

// Get returns a buffer of length n with undefined contents and one owner.
func Get(n int) *Buffer {
	b := get(n)
	if t := tracker.Load(); t != nil {
		t.add(b)
	}
	return b
}

func get(n int) *Buffer {
	for i, size := range classes {
		if n > size {
			continue
		}
		b := idle(i)
		if b == nil {
			b = &Buffer{back: make([]byte, size), class: int8(i)}
		}
		b.data = b.back[:n]
		b.refs.Store(1)
		return b
	}
	return wrap(make([]byte, n))
}

// idle returns a buffer of a class that nobody uses, nil if there is none.
func idle(class int) *Buffer {
	if class >= reserveAt {
		if b := takeReserved(class); b != nil {
			return b
		}
	}
	b, _ := pools[class].Get().(*Buffer)
	return b
}

// Wrap returns a buffer over data, which it now owns and never pools.
func Wrap(data []byte) *Buffer {
	b := wrap(data)
	if t := tracker.Load(); t != nil {
		t.add(b)
	}
	return b
}

func wrap(data []byte) *Buffer {
	b := &Buffer{data: data, class: -1}
	b.refs.Store(1)
	return b
}

// Copy returns a pooled buffer holding a copy of data.
func Copy(data []byte) *Buffer {
	b := Get(len(data))
	copy(b.data, data)
	return b
}

// Bytes returns the contents, valid until the owner's Free.
func (b *Buffer) Bytes() []byte { return b.data }

// Len returns the number of bytes; a nil buffer has none.
func (b *Buffer) Len() int {
	if b == nil {
		return 0
	}
	return len(b.data)
}

// Cap returns how far SetLen may extend the buffer.
func (b *Buffer) Cap() int { return cap(b.data) }

// SetLen changes the length, up to Cap. Only the sole owner may call it.
func (b *Buffer) SetLen(n int) { b.data = b.data[:n] }

// TrimFront drops the first n bytes. Only the sole owner may call it.
func (b *Buffer) TrimFront(n int) { b.data = b.data[n:] }

// Adopt replaces the contents by data, which must lie in the buffer's own
// memory or be newly allocated by an append that outgrew it. Pooled memory that
// was outgrown still returns to its pool. Only the sole owner may call it.
func (b *Buffer) Adopt(data []byte) { b.data = data }

// Ref adds an owner and returns b. Only an owner may call it; a Ref of a freed
// buffer panics unless the buffer is in use again.
func (b *Buffer) Ref() *Buffer {
	if b.refs.Add(1) <= 1 {
		panic("BUG: mem.Buffer used after Free")
	}
	return b
}

// Sub returns a new buffer viewing bytes [i, j) of b, keeping b's memory alive
// until it is freed; i and j lie within Len, or Sub panics. The bytes are shared
// and so read-only.
func (b *Buffer) Sub(i, j int) *Buffer {
	return b.view(slices.Clip(b.data)[i:j:j]) // past the length lies another message's past
}

// Tail returns a new buffer over the n bytes that follow those of b, within its
// Cap, for somebody to write before b's length is set to include them. Only the
// sole owner may call it, and only one Tail may be in use.
func (b *Buffer) Tail(n int) *Buffer {
	i := len(b.data)
	return b.view(b.data[i : i+n : i+n])
}

// IsTail reports whether t is what Tail of b has returned and nothing has
// changed since.
func (b *Buffer) IsTail(t *Buffer) bool {
	i := len(b.data)
	return t.parent != nil && t.parent == b.memory() && len(t.data) > 0 &&
		i+len(t.data) <= cap(b.data) && &t.data[0] == &b.data[:cap(b.data)][i]
}

// memory is the buffer that holds b's memory.
func (b *Buffer) memory() *Buffer {
	if b.parent != nil { // a view of a view: the one between may go any time
		return b.parent
	}
	return b
}

// view returns a buffer over data, which lies in b's memory.
func (b *Buffer) view(data []byte) *Buffer {
	memory := b.memory()
	memory.Ref()
	s, _ := views.Get().(*Buffer)
	if s == nil {
		s = &Buffer{class: -1}
	}
	s.data, s.parent = data, memory
	s.refs.Store(1)
	if t := tracker.Load(); t != nil {
		t.add(s)
	}
	return s
}

// Free drops one owner. Freeing a buffer nobody owns panics unless the buffer
// is in use again: it is always a bug of an owner. Free of nil does nothing.
func (b *Buffer) Free() {
	if b == nil {
		return
	}
	switch n := b.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("BUG: mem.Buffer freed twice")
	}
	if t := tracker.Load(); t != nil {
		t.remove(b)
	}
	b.data = nil
	switch {
	case b.parent != nil:
		memory := b.parent
		b.parent = nil
		views.Put(b)
		memory.Free()
	case b.class >= reserveAt && keepReserved(b):
	case b.class >= 0:
		pools[b.class].Put(b)
	}
}
