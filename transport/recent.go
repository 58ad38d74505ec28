package transport

// endedHow says how a stream ended, which decides what a late frame means.
type endedHow uint8

const (
	unknownEnd  endedHow = iota
	endedBoth            // END_STREAM both ways: a late frame breaks the protocol
	resetByPeer          // likewise
	resetByUs            // the peer may not know yet: late frames are ignored
	violated             // likewise, and it was the peer's fault
)

// isOurs reports whether the peer may still be sending in good faith.
func (how endedHow) isOurs() bool { return how == resetByUs || how == violated }

// recentlyEnded remembers the latest streams that ended, in bounded space
// (RFC 9113 section 5.1, "closed"). Of older ones it is not known whether a
// late frame is a fault; only what cannot be anything else is treated as one.
type recentlyEnded struct {
	ring []endedStream // grown up to recentStreams
	next int
}

type endedStream struct {
	id  uint32
	how endedHow
}

const recentStreams = 512

func (r *recentlyEnded) add(id uint32, how endedHow) {
	if len(r.ring) < recentStreams {
		r.ring = append(r.ring, endedStream{id, how})
		return
	}
	r.ring[r.next] = endedStream{id, how}
	r.next = (r.next + 1) % recentStreams
}

func (r *recentlyEnded) find(id uint32) endedHow {
	for i := len(r.ring) - 1; i >= 0; i-- {
		if r.ring[i].id == id {
			return r.ring[i].how
		}
	}
	return unknownEnd
}
