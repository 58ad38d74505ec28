package transport

import "github.com/cqrpc/cqrpc/frame"

// pending is what a stream has still to send, in this order. The sender bounds how
// much may wait: a call lets 64 KiB wait, and one message beyond (C-core's write
// buffer). A stream has a pending only while there is something in it; to methods that
// only look, nil is an empty one.
type pending struct {
	headers *frame.HeaderList
	outMessage
	offset   int // bytes of prefix and msg already planned
	more     []outMessage
	at       int // of more: the next
	trailers *frame.HeaderList
	end      bool

	// while it is spare
	next *pending
	rest int // how many follow
}

// spares are the pendings that streams of a connection have given back. Guarded by Conn.mu, which
// is held anyway where one is needed: a sync.Pool costs several times as much.
type spares struct{ first *pending }

const (
	// maxSpares is how many a connection keeps until its reader rests: 50 KB if streams of many
	// messages have used all of them.
	maxSpares = 64
	// maxKeptMessages is for how many messages each of them keeps room.
	maxKeptMessages = 16
)

func (s *spares) take() *pending {
	p := s.first
	if p == nil {
		return new(pending)
	}
	s.first, p.next, p.rest = p.next, nil, 0
	return p
}

// put keeps p, which is empty, unless there are enough.
func (s *spares) put(p *pending) {
	if s.first != nil {
		p.next, p.rest = s.first, s.first.rest+1
	}
	if p.rest < maxSpares {
		s.first = p
	}
}

// forget leaves all of them to the collector.
func (s *spares) forget() { s.first = nil }

// emptiedLocked gives pending back if it is empty.
func (s *Stream) emptiedLocked() {
	if p := s.out; p != nil && p.headers == nil && p.msg == nil && p.trailers == nil && !p.end {
		s.dropLocked()
	}
}

// dropLocked frees what will never be sent.
func (s *Stream) dropLocked() {
	if s.out != nil {
		s.out.drop()
		s.conn.out.spares.put(s.out)
		s.out = nil
	}
}

func (p *pending) add(o frame.Outgoing) {
	if o.Headers != nil && p.headers != nil || o.Trailers != nil && p.trailers != nil {
		panic("BUG: transport: headers or trailers were sent twice")
	}
	if o.Headers != nil {
		p.headers = o.Headers
	}
	if o.Message != nil {
		p.addMessage(outMessage{msg: o.Message, prefix: o.Prefix})
	}
	if o.Trailers != nil {
		p.trailers = o.Trailers
	}
	p.end = p.end || o.End || o.Trailers != nil
}

// addMessage puts m behind those that wait. The first of them is never joined: a part of it may be
// on its way.
func (p *pending) addMessage(m outMessage) {
	switch {
	case p.msg == nil:
		p.outMessage = m
	case p.at < len(p.more) && p.more[len(p.more)-1].join(m, len(p.more)-p.at):
	default:
		p.compact()
		p.more = append(p.more, m)
	}
}

// compact makes room in more, if it is full and at least half of it has been sent: a queue that
// is never empty must not grow with all that has gone through it.
func (p *pending) compact() {
	if len(p.more) < cap(p.more) || 2*p.at < len(p.more) {
		return
	}
	left := copy(p.more, p.more[p.at:])
	clear(p.more[left:])
	p.more, p.at = p.more[:left], 0
}

// popMessage moves on to the next message.
func (p *pending) popMessage() {
	p.outMessage, p.offset = outMessage{}, 0
	if p.at == len(p.more) {
		p.more, p.at = p.more[:0], 0
		return
	}
	p.outMessage = p.more[p.at]
	p.more[p.at] = outMessage{}
	p.at++
}

func free(o frame.Outgoing) {
	o.Headers.Free()
	o.Message.Free()
	o.Trailers.Free()
}

// drop frees everything and makes p as good as new.
func (p *pending) drop() {
	p.headers.Free()
	p.msg.Free()
	for _, m := range p.more[p.at:] {
		m.msg.Free()
	}
	p.trailers.Free()
	more := p.more[:0]
	if clear(p.more); cap(more) > maxKeptMessages {
		more = nil
	}
	*p = pending{more: more}
}

// isShort reports whether little is to be sent, see readyState.
func (p *pending) isShort() bool {
	if p == nil || p.msg == nil {
		return true
	}
	n := p.size() - p.offset
	for i := p.at; i < len(p.more) && n <= shortBytes; i++ {
		n += p.more[i].size()
	}
	return n <= shortBytes
}

// hasMessage reports whether a message, or the rest of one, is outstanding.
func (p *pending) hasMessage() bool { return p != nil && p.msg != nil }

// trailersOnly reports whether the trailers are a whole response by
// themselves: they begin with :status (gRPC over HTTP/2, Trailers-Only).
func (p *pending) trailersOnly() bool { return p.trailers != nil && p.trailers.BeginsMessage() }
