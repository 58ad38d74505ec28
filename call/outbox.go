package call

import (
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// outbox is what was accepted and the stream has not been given yet: next, then the backlog. The
// zero value is empty. Guarded by Call.mu.
//
//	accepted ──┬─────────────► next ──dispatchLocked──► Stream.Send
//	           └─► backlog ─────▲
//	                  advance: the stream has sent the message before
//
// There is a backlog while messages are sent again, on another stream: their operations may have
// completed, so the application sends more of them meanwhile. Else the call itself has at most one
// message that the stream has not been given.
type outbox struct {
	next    frame.Outgoing
	backlog *backlog // nil nearly always
}

// backlog is messages that are given to the stream one at a time, each when the one before has been
// sent, and then the end of this half, if hasEnd is set, with the last message.
type backlog struct {
	messages []packed // none, if the last is with the stream
	hasEnd   bool
}

// packed is a message ready to be sent.
type packed struct {
	body   *mem.Buffer
	prefix [frame.PrefixLen]byte
}

// add puts a message last.
func (b *outbox) add(m packed) {
	switch {
	case b.backlog != nil:
		b.backlog.messages = append(b.backlog.messages, m)
	case b.next.Message != nil:
		panic("BUG: call: two messages wait for the first stream")
	default:
		b.next.Message, b.next.Prefix = m.body, m.prefix
	}
}

// addEnd puts the end of this half last; only a server's has trailers.
func (b *outbox) addEnd(trailers *frame.HeaderList) {
	if b.isWaiting() {
		b.backlog.hasEnd = true
	} else {
		b.next.End, b.next.Trailers = true, trailers
	}
}

// isWaiting reports whether the backlog has messages.
func (b *outbox) isWaiting() bool { return b.backlog != nil && len(b.backlog.messages) > 0 }

// hasEnd reports whether the end of this half is here.
func (b *outbox) hasEnd() bool { return b.next.End || b.isWaiting() && b.backlog.hasEnd }

// count is how many messages are here.
func (b *outbox) count() (n uint64) {
	if b.next.Message != nil {
		n = 1
	}
	if b.backlog != nil {
		n += uint64(len(b.backlog.messages))
	}
	return n
}

// advance moves the first message of the backlog up to be the next, and the end with the last.
func (b *outbox) advance() {
	k := b.backlog
	b.next.Message, b.next.Prefix = k.messages[0].body, k.messages[0].prefix
	if k.messages = k.messages[1:]; len(k.messages) == 0 {
		b.next.End = k.hasEnd
	}
}

// takeNext takes what the stream is to be given now.
func (b *outbox) takeNext() frame.Outgoing {
	o := b.next
	b.next = frame.Outgoing{}
	return o
}

// takeMessages takes the messages, which are the last that were accepted, and drops the rest.
func (b *outbox) takeMessages() (all []packed) {
	if b.next.Message != nil {
		all = append(all, packed{b.next.Message, b.next.Prefix})
	}
	if b.backlog != nil {
		all = append(all, b.backlog.messages...)
	}
	b.next.Headers.Free()
	b.next.Trailers.Free()
	*b = outbox{}
	return all
}

// drop frees everything.
func (b *outbox) drop() {
	for _, m := range b.takeMessages() {
		m.body.Free()
	}
}
