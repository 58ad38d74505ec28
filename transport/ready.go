package transport

// readyState is the open streams with something to send. Guarded by Conn.mu.
//
// Those with little to send go before those with much: the answer to a small call must not wait
// until fifty streams have each sent their share of a backlog. However many small answers there are,
// streams with much get on, too: one byte for shortShare of short ones.
//
// Those that wait for the connection's window are not looked at before it opens (isOpen), and then no
// more of them than can go on: they may be thousands, and a peer may open it by a byte at a time.
type readyState struct {
	short, long line
	lead        int // bytes that short ones have sent while long ones waited, less shortShare times those of long ones
}

// line is the short ones, or the long ones.
type line struct {
	ready   fifo
	stalled fifo // these go first when the window opens
}

// head is the next of them, nil if there is none.
func (l *line) head(isOpen bool) *Stream {
	if isOpen && l.stalled.head != nil {
		return l.stalled.head
	}
	return l.ready.head
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

func (r *readyState) isEmpty(isOpen bool) bool {
	return r.short.head(isOpen) == nil && r.long.head(isOpen) == nil
}

func (r *readyState) hasStalled() bool {
	return r.short.stalled.head != nil || r.long.stalled.head != nil
}

// lineOf is the line in which s belongs.
func (r *readyState) lineOf(s *Stream) *line {
	if s.out.isShort() {
		return &r.short
	}
	return &r.long
}

func (r *readyState) push(s *Stream) { r.lineOf(s).ready.push(s) }

// stall is push for a stream that cannot go on before the connection's window opens.
func (r *readyState) stall(s *Stream) { r.lineOf(s).stalled.push(s) }

// pop returns the next stream, nil if there is none, and whether it is a short one.
func (r *readyState) pop(isOpen bool) (s *Stream, isShort bool) {
	for {
		s = r.short.head(isOpen)
		if long := r.long.head(isOpen); long != nil && (s == nil || r.lead >= maxLead) {
			long.unqueue()
			return long, false
		}
		if s == nil {
			return nil, false
		}
		isStalled := s.queue == &r.short.stalled
		s.unqueue()
		switch {
		case s.out.isShort():
			return s, true
		case isStalled: // more was added while it waited
			r.stall(s)
		default:
			r.push(s)
		}
	}
}

// charge notes what a stream has sent whose turn it was.
func (r *readyState) charge(isShort, isOpen bool, cost int) {
	switch {
	case !isShort:
		r.lead = max(r.lead-shortShare*cost, -shortShare*maxLead)
	case r.long.head(isOpen) != nil:
		r.lead += cost
	}
}
