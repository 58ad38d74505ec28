package transport

import (
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// outMessage is one message that waits to be sent, or several small ones copied into one buffer.
// Copying costs less than a buffer, a step of a turn and a place in the queue for each, with which
// a stream whose peer takes nothing would hold ten times its bytes.
//
//	one      msg: |body|                       prefix apart
//	several  msg: |5 body|5 body|5 body|room
type outMessage struct {
	msg    *mem.Buffer           // nil: none
	joined uint32                // how many are in msg, with their prefixes; 0: one, without
	prefix [frame.PrefixLen]byte // of the one
}

const (
	// joinBelow is the body, in bytes, below which messages are joined.
	joinBelow = 512
	// joinedRoom is the first buffer that several share, in bytes. The second is four times as
	// large, those behind it sixteen times.
	joinedRoom = 1 << 10
)

// prefixLen is how many bytes precede msg.
func (o *outMessage) prefixLen() int {
	if o.joined > 0 {
		return 0
	}
	return frame.PrefixLen
}

// size is how many bytes there are to send, prefixes included.
func (o *outMessage) size() int { return o.prefixLen() + o.msg.Len() }

// count is how many messages there are.
func (o *outMessage) count() uint64 { return max(uint64(o.joined), 1) }

// join takes the message m if it can be sent in one buffer with o, which is the n-th in its queue
// and not being sent. It reports false if it cannot.
func (o *outMessage) join(m outMessage, n int) bool {
	if m.msg.Len() >= joinBelow || o.joined == 0 && o.msg.Len() >= joinBelow {
		return false
	}
	if o.joined == 0 {
		first := *o
		*o = outMessage{msg: mem.Get(joinedRoom << (2 * min(n-1, 2)))}
		o.msg.SetLen(0)
		o.copy(first)
	}
	if o.size()+m.size() > o.msg.Cap() {
		return false
	}
	o.copy(m)
	return true
}

// copy takes m, for which there is room.
func (o *outMessage) copy(m outMessage) {
	end := o.msg.Len()
	o.msg.SetLen(end + m.size())
	to := o.msg.Bytes()[end:]
	copy(to[copy(to, m.prefix[:]):], m.msg.Bytes())
	o.joined++
	m.msg.Free()
}
