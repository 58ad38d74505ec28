package frame

import "github.com/cqrpc/cqrpc/internal/mem"

const (
	// copyBelow is the body, in octets, below which taking a message out of a
	// buffer it shares copies it: a small pooled buffer costs less than a
	// view, and does not keep a large buffer alive.
	copyBelow = 1 << 10

	// joinBelow is the length, in octets, below which whole messages are copied
	// behind those that wait before them, if there is room: a peer that sends
	// its window in frames of a few octets must not cost a buffer for each.
	joinBelow = 1 << 10

	// trustAt is the part of a message that must have arrived, one in so
	// many, before memory for the rest is taken at the peer's word.
	trustAt = 8
)

// Assembler cuts the DATA payloads of one stream, pushed in order, into
// messages. The zero value is ready; it must not be copied after first use.
//
// Memory follows what has arrived, never what a prefix claims: whole messages
// stay in the payload buffer they came in, and the message at the end that is
// still incomplete lies alone in part.
//
//	payloads   |5 body|5 bo|dy|5 body|5 body|5 b|
//	           └─run──┘└─run─┘└────run──────┘└part
type Assembler struct {
	runs []run // whole messages, not yet popped
	head int   // index of the first of them
	one  [1]run

	part *mem.Buffer // beginning of an incomplete message, its prefix first
	want int         // octets of that message with prefix, 0 until known

	err    *MessageError
	closed bool
}

// run is a buffer holding whole messages, one after the other.
type run struct {
	buf *mem.Buffer
	off int // where the next message begins
	end int // where the last one ends

	shared bool // buf has views
}

// Push takes ownership of one DATA payload, which may be nil. It returns a
// *[MessageError] at the first prefix that has a wrong flag or claims more
// than limit octets of body; negative means no limit. Messages before that one
// can still be popped; whatever is pushed later is dropped with the same
// error. After Close, payloads are dropped without error.
func (a *Assembler) Push(b *mem.Buffer, limit int) error {
	switch {
	case b == nil:
		return nil
	case a.closed || a.err != nil || b.Len() == 0:
		b.Free()
	default:
		a.push(b, limit)
	}
	if a.err != nil {
		return a.err
	}
	return nil
}

func (a *Assembler) push(b *mem.Buffer, limit int) {
	start := a.extend(b, limit)
	if a.err != nil {
		b.Free()
		return
	}
	end, want := a.scan(b.Bytes(), start, limit)
	hasRun, hasRest := end > start, a.err == nil && end < b.Len()
	if hasRest {
		a.want = want
		if !hasRun && 2*(b.Len()-end) >= b.Cap() {
			b.TrimFront(end)
			a.part = b
			return
		}
		a.part = mem.Copy(b.Bytes()[end:])
	}
	if !hasRun {
		b.Free()
		return
	}
	a.addRun(run{buf: b, off: start, end: end})
}

// Place returns where the next payload, of n octets, can be read to: behind the
// incomplete message of which it is a part, so that Push has nothing to copy. It
// is nil if there is no such message, or not enough of it yet. Nothing but the
// payload may be pushed next.
func (a *Assembler) Place(n int) *mem.Buffer {
	if a.part == nil || a.want == 0 || a.closed || a.err != nil {
		return nil
	}
	have := a.part.Len()
	if have+n > a.want || have < a.want/trustAt {
		return nil
	}
	if a.part.Cap() < a.want {
		a.grow(have, a.want)
	}
	return a.part.Tail(n)
}

// scan checks the prefixes in p from off on. It returns where the last whole
// message ends and the length of the one after it, 0 if its prefix is cut.
func (a *Assembler) scan(p []byte, off, limit int) (end, want int) {
	for len(p)-off >= PrefixLen {
		want, err := checkPrefix(p[off:], limit)
		if err != nil {
			a.err = err
			return off, 0
		}
		if len(p)-off < want {
			return off, want
		}
		off += want
	}
	return off, 0
}

// extend moves the octets of b that belong to the incomplete message there,
// and returns how many.
func (a *Assembler) extend(b *mem.Buffer, limit int) int {
	if a.part == nil {
		return 0
	}
	p, n := b.Bytes(), 0
	if a.want == 0 {
		n = a.fill(p, PrefixLen)
		if a.part.Len() < PrefixLen {
			return n
		}
		a.want, a.err = checkPrefix(a.part.Bytes(), limit)
		if a.err != nil {
			a.dropPart()
			return n
		}
	}
	if a.part.IsTail(b) { // of Place
		n = len(p)
		a.part.SetLen(a.part.Len() + n)
	} else {
		n += a.fill(p[n:], a.want)
	}
	if a.part.Len() == a.want {
		a.addRun(run{buf: a.part, end: a.want})
		a.part, a.want = nil, 0
	}
	return n
}

// fill appends octets of p to the incomplete message until it has target of
// them, and returns how many it took.
func (a *Assembler) fill(p []byte, target int) int {
	have := a.part.Len()
	n := min(len(p), target-have)
	if have+n > a.part.Cap() {
		a.grow(have+n, target)
	}
	a.part.SetLen(have + n)
	copy(a.part.Bytes()[have:], p[:n])
	return n
}

// grow gives the incomplete message a larger buffer: for need octets at
// least, for all of target once a fair part of it has arrived.
func (a *Assembler) grow(need, target int) {
	size := target
	if need < target/trustAt {
		size = 2 * need
	}
	old := a.part
	a.part = mem.Get(size)
	a.part.SetLen(copy(a.part.Bytes(), old.Bytes()))
	old.Free()
}

// addRun queues r. One run is what a unary call needs: it takes no memory.
func (a *Assembler) addRun(r run) {
	switch {
	case a.join(r):
		return
	case cap(a.runs) == 0:
		a.runs = a.one[:0]
	case len(a.runs) == cap(a.runs) && a.head > 0:
		n := copy(a.runs, a.runs[a.head:])
		clear(a.runs[n:])
		a.runs, a.head = a.runs[:n], 0
	}
	a.runs = append(a.runs, r)
}

// join moves a small run into the free room of the last one, which must wait
// and have no views: what lies behind its end may be written over.
func (a *Assembler) join(r run) bool {
	n := r.end - r.off
	if n >= joinBelow || !a.Ready() {
		return false
	}
	last := &a.runs[len(a.runs)-1]
	if last.shared || last.buf.Cap()-last.end < n {
		return false
	}
	last.buf.SetLen(last.end + n)
	copy(last.buf.Bytes()[last.end:], r.buf.Bytes()[r.off:r.end])
	last.end += n
	r.buf.Free()
	return true
}

// Pop returns the next whole message, if there is one. The caller owns its
// Body.
func (a *Assembler) Pop() (m Message, ok bool) {
	if a.head == len(a.runs) {
		return Message{}, false
	}
	r := &a.runs[a.head]
	p := r.buf.Bytes()[r.off:r.end]
	want, _ := checkPrefix(p, -1) // checked by Push
	m.Compressed = p[0] == 1
	m.Body = a.takeBody(r, PrefixLen, want)
	return m, true
}

// takeBody takes octets i to j after r.off out of r as a buffer of their own:
// the last ones take over r's buffer unless views of it may be in use or it
// is too large for them.
func (a *Assembler) takeBody(r *run, i, j int) *mem.Buffer {
	i, j, r.off = r.off+i, r.off+j, r.off+j
	last, small := r.off == r.end, j-i < copyBelow
	b := r.buf
	if last {
		defer a.dropRun()
	}
	switch {
	case last && !r.shared && (!small || b.Cap() <= copyBelow):
		b.SetLen(j)
		b.TrimFront(i)
		return b.Ref()
	case small:
		return mem.Copy(b.Bytes()[i:j])
	}
	r.shared = true
	return b.Sub(i, j)
}

// dropRun frees the first run and forgets it.
func (a *Assembler) dropRun() {
	a.runs[a.head].buf.Free()
	a.runs[a.head] = run{}
	a.head++
}

// Ready reports whether Pop would return a message.
func (a *Assembler) Ready() bool { return a.head < len(a.runs) }

// Several reports whether Pop would return two messages or more.
func (a *Assembler) Several() bool {
	if !a.Ready() {
		return false
	}
	r := &a.runs[a.head]
	want, _ := checkPrefix(r.buf.Bytes()[r.off:r.end], -1) // checked by Push
	return r.off+want < r.end || len(a.runs)-a.head > 1
}

// Empty reports whether the assembler holds nothing and has met no error: it is
// as good as new.
func (a *Assembler) Empty() bool { return !a.Ready() && a.part == nil && a.err == nil && !a.closed }

// Mid reports whether the payloads so far end inside a message or prefix: a
// stream must not end here.
func (a *Assembler) Mid() bool { return a.part != nil }

// Partial returns how many octets of the incomplete message have arrived and
// how many it has, its prefix included in both; of a cut prefix only the
// prefix's length is known. Both are 0 between messages.
func (a *Assembler) Partial() (got, want int) {
	if a.part == nil {
		return 0, 0
	}
	return a.part.Len(), max(a.want, PrefixLen)
}

// Reserved returns how many octets of the incomplete message have memory before they have
// arrived.
func (a *Assembler) Reserved() int {
	if a.part == nil || a.part.Cap() < a.want {
		return 0
	}
	return max(a.want-a.part.Len(), 0) // want is 0 until it is known
}

// Close frees all that was pushed and not popped. It may be called again.
func (a *Assembler) Close() {
	a.closed, a.err = true, nil
	a.dropPart()
	for a.Ready() {
		a.dropRun()
	}
	a.runs, a.head, a.one = nil, 0, [1]run{}
}

func (a *Assembler) dropPart() {
	a.part.Free()
	a.part, a.want = nil, 0
}
