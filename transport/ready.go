package transport

// readyState is the open streams with something to send. Guarded by Conn.mu.
//
// Those with little to send go before those with much: the answer to a small call must not wait
// until fifty streams have each sent their share of a backlog. However many small answers there are,
// streams with much get on, too: one byte for shortShare of short ones.
type readyState struct {
	short, long fifo
	lead        int // bytes that short ones have sent while long ones waited, less shortShare times those of long ones
}

const (
	// shortBytes is how much a stream that counts as short has to send at most: what fits in
	// one frame, whatever the peer's SETTINGS.
	shortBytes = minFrameSize
	// shortShare is how much of the bandwidth short ones get for one part of long ones. Mostly they
	// need less. If they need all of it they are many, and a part for each long stream is enough.
	shortShare = 8
	// maxLead is how far either may be ahead of its share: for a long one about what it gets at
	// once, because 64 KiB may wait in it, and one message beyond.
	maxLead = 64 << 10
	// frameCost is what a frame counts beside its payload: frames without any cost something, too.
	frameCost = 64
)

func (r *readyState) isEmpty() bool { return r.short.head == nil && r.long.head == nil }

func (r *readyState) push(s *Stream) {
	if s.out.isShort() {
		r.short.push(s)
	} else {
		r.long.push(s)
	}
}

// pop returns the next stream, nil if there is none, and whether it is a short one.
func (r *readyState) pop() (s *Stream, isShort bool) {
	for {
		s = r.short.head
		if s == nil || r.lead >= maxLead && r.long.head != nil {
			return r.long.pop(), false
		}
		s.unqueue()
		if s.out.isShort() {
			return s, true
		}
		r.long.push(s) // more was added while it waited
	}
}

// charge notes what a stream that was popped has sent.
func (r *readyState) charge(isShort bool, cost int) {
	switch {
	case !isShort:
		r.lead = max(r.lead-shortShare*cost, -shortShare*maxLead)
	case r.long.head != nil:
		r.lead += cost
	}
}

// takeAll puts all streams of q in their place.
func (r *readyState) takeAll(q *fifo) {
	for s := q.pop(); s != nil; s = q.pop() {
		r.push(s)
	}
}
