package transport

import (
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// Receiver is what a stream reports to: the gRPC call on it. Methods run on the
// connection's reader or flusher with no lock held and must not block.
// OnHeaders and OnData come from one goroutine, in wire order.
type Receiver interface {
	// OnHeaders lends one header block: informational, initial or, with End, trailing.
	OnHeaders(h *frame.Headers, lane *cq.Lane)
	// OnData hands over one DATA payload; nil when only END_STREAM arrived.
	OnData(b *mem.Buffer, end bool, lane *cq.Lane)
	// OnSent reports, cumulatively, what was accepted for the wire. It may be
	// late, even after OnClosed; then it brings nothing new.
	OnSent(s frame.Sent, lane *cq.Lane)
	// OnClosed is the end of the stream, once; err is nil if both sides ended it
	// cleanly. It brings the final counts, which OnSent need not have brought. One
	// OnHeaders or OnData may still follow: the reader may be about to deliver the
	// frame when this side ends the stream. Reset causes no OnClosed, but one may be
	// on its way when Reset is called.
	OnClosed(err *frame.CloseError, s frame.Sent, lane *cq.Lane)
}

// Handler is what a connection reports to: a server or a client's subchannel.
type Handler interface {
	// OnStream announces a request (server side only). To take it, call
	// s.Accept before returning; otherwise it is answered REFUSED_STREAM.
	OnStream(s *Stream, h *frame.Headers, lane *cq.Lane)
	// OnReady reports the peer's first SETTINGS: the connection is usable.
	OnReady()
	// OnDrain reports that no new stream can be opened here any more: GOAWAY was
	// received, stream identifiers ran out or the socket takes no more bytes.
	// Streams in progress continue. Client side only.
	OnDrain(err error)
	// OnClosed is the end of the connection, once, last, after every stream's
	// OnClosed. The error is nil if it was closed by Close or drained.
	OnClosed(err error)
}

// Allocator is a Handler that has memory for the streams of requests, in one
// piece with what it makes of them.
type Allocator interface {
	// NewStream, called by the reader, returns a zero Stream. The next OnStream is
	// about that stream; if the request is refused before, none ever is.
	NewStream() *Stream
}

// Discard is a Receiver for streams whose request is refused with a response:
// it throws away what still arrives.
var Discard Receiver = discard{}

type discard struct{}

func (discard) OnHeaders(*frame.Headers, *cq.Lane)               {}
func (discard) OnData(b *mem.Buffer, _ bool, _ *cq.Lane)         { b.Free() }
func (discard) OnSent(frame.Sent, *cq.Lane)                      {}
func (discard) OnClosed(*frame.CloseError, frame.Sent, *cq.Lane) {}
