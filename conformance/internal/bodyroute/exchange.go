package bodyroute

import (
	"encoding/binary"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
	"github.com/cqrpc/cqrpc/transport"
)

// Body is the octets of each answer.
const Body = 1024

// handler gives every request of a connection an exchange.
type handler struct{ ended chan struct{} }

func (h *handler) OnStream(s *transport.Stream, hs *frame.Headers, lane *cq.Lane) {
	x := &exchange{stream: s}
	s.Accept(x)
	x.OnHeaders(hs, lane)
}

func (h *handler) OnReady()       {}
func (h *handler) OnDrain(error)  {}
func (h *handler) OnClosed(error) { close(h.ended) }

// exchange is one request and its answer. An answer waits for the end of the
// request, which until then may turn out to be malformed.
type exchange struct{ stream *transport.Stream }

func (x *exchange) OnHeaders(h *frame.Headers, _ *cq.Lane) {
	if h.End {
		x.answer()
	}
}

func (x *exchange) OnData(b *mem.Buffer, end bool, _ *cq.Lane) {
	x.stream.Consume(b.Len())
	b.Free()
	if end {
		x.answer()
	}
}

func (x *exchange) OnSent(frame.Sent, *cq.Lane)                      {}
func (x *exchange) OnClosed(*frame.CloseError, frame.Sent, *cq.Lane) {}

func (x *exchange) answer() {
	l := frame.NewHeaderList()
	l.Add(":status", "200")
	l.Add("content-type", "text/plain")
	b := mem.Get(Body - frame.PrefixLen)
	clear(b.Bytes())
	o := frame.Outgoing{Headers: l, Message: b, End: true}
	binary.BigEndian.PutUint32(o.Prefix[1:], uint32(b.Len()))
	x.stream.Send(o)
}
