package call

import (
	"crypto/tls"
	"net"
	"strings"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// Stream is what a call needs of its transport; transport.Stream is one. All
// methods may be called concurrently, never block and never call back on the
// caller's stack. On a stream that has ended they do nothing but free what
// they were given.
//
// The stream reports to the call's [Attempt]. After END_STREAM has come from
// the peer, a client's stream ends its other half by itself and reports
// OnClosed with a nil error and the final counts; a server's stream does when
// END_STREAM was sent. A call relies on it to learn which sends got through.
type Stream interface {
	// Send queues headers, a message and an end, taking ownership. Two Sends may race if they
	// have different kinds, which the stream puts in this order. Messages never race; another
	// one may come before the last was sent, see BufferHint.
	Send(o frame.Outgoing)
	// MaxHeaderList is the largest header list the peer accepts, in octets as RFC
	// 9113 section 6.5.2 counts them.
	MaxHeaderList() uint32
	// Consume returns credit for n bytes of DATA payload, message prefixes
	// included, that the application took, or waits for: that may be more than has
	// arrived, and more than the stream lets the peer send at once. After Reset the
	// stream itself returns what is outstanding.
	Consume(n int)
	// Obstacle says why headers that were given to Send are not sent; nil if they are, or
	// if nothing is known. It is called when the call's deadline has passed or its context
	// has ended.
	Obstacle() error
	// Source is what a goroutine that waits for the call may serve instead; nil: nothing.
	Source() cq.Source
	// Reset ends the stream from this side; no OnClosed follows.
	Reset(code frame.ErrCode)
	// Excuse says that the peer had a reason to reset the stream, so that it is not taken for
	// abuse. It is called while OnClosed tells of the reset.
	Excuse()
}

// Opener finds a stream for a client call: a channel.
type Opener interface {
	// Open is called once per attempt, with no lock held, on the goroutine that started
	// SendInitialMetadata, that found the previous attempt unprocessed, or of the timer
	// of the back-off; it must not block. The answer, at once or later and from any
	// goroutine, is exactly one c.Bind or c.Fail.
	Open(c *Call)
	// Rest says that an attempt has failed, and that after a back-off Open will be called
	// for another. If the call ends first, Forget is called. Until then c.Fail ends the
	// call, as a channel does when it closes.
	Rest(c *Call)
	// Forget says that the call ended before Open was answered, or while it rested. An
	// answer that is already on its way is harmless.
	Forget(c *Call)
	// Obstacle says why Open is not answered yet, nil if nothing is known. It is called,
	// with no lock held, when the call's deadline has passed or its context has ended.
	Obstacle() error
}

// Attempt is for transports: the view of a call that one stream reports to. Its methods
// run on the transport's goroutines.
type Attempt struct {
	call *Call
}

// IsFirst reports whether the call had no attempt before.
func (t *Attempt) IsFirst() bool { return t == &t.call.first }

// OnHeaders takes one header block: informational, initial or trailing. It is
// lent for the duration of the call.
func (t *Attempt) OnHeaders(h *frame.Headers, lane *cq.Lane) { t.call.onHeaders(t, h, lane) }

// OnData takes ownership of one DATA payload, nil if only END_STREAM came.
func (t *Attempt) OnData(b *mem.Buffer, end bool, lane *cq.Lane) { t.call.onData(t, b, end, lane) }

// Place returns a buffer of n bytes into which the next DATA payload should be read, nil
// for any.
func (t *Attempt) Place(n int) *mem.Buffer { return t.call.place(t, n) }

// OnSent tells what was accepted for the wire so far; it may be late.
func (t *Attempt) OnSent(s frame.Sent, lane *cq.Lane) { t.call.onSent(t, s, lane) }

// OnClosed is the end of the stream, once.
func (t *Attempt) OnClosed(err *frame.CloseError, s frame.Sent, lane *cq.Lane) {
	t.call.onClosed(t, err, s, lane)
}

// Peer is the other end of the call's connection.
type Peer struct {
	Addr      net.Addr             // nil until a client call has a connection
	LocalAddr net.Addr             // nil likewise
	TLS       *tls.ConnectionState // nil without TLS
}

// String returns the address in gRPC's naming syntax, "ipv4:192.0.2.1:443",
// "ipv6:[2001:db8::1]:443" or "unix:/run/x.sock"; "unknown" without an address.
// It is a hint for humans, never a proof of identity.
func (p Peer) String() string {
	switch a := p.Addr.(type) {
	case nil:
		return "unknown"
	case *net.TCPAddr:
		if a.IP.To4() != nil {
			return "ipv4:" + a.String()
		}
		return "ipv6:" + a.String()
	default:
		network := a.Network()
		if strings.HasPrefix(network, "unix") {
			network = "unix"
		}
		return network + ":" + a.String()
	}
}
