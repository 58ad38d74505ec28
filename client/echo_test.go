package client

import (
	"net"
	"sync"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
	"github.com/cqrpc/cqrpc/transport"
)

// serveEcho is a server on nc that answers every message with itself and the
// end of the requests with OK. It stands on the transport alone, so that a
// measurement of the client is not one of a server.
func serveEcho(nc net.Conn) { transport.New(transport.Server, nc, transport.Config{}, echoHandler{}) }

type echoHandler struct{}

func (echoHandler) OnStream(s *transport.Stream, _ *frame.Headers, _ *cq.Lane) {
	s.Accept(&echo{stream: s})
	l := frame.NewHeaderList()
	l.Add(":status", "200")
	l.Add("content-type", "application/grpc")
	s.Send(frame.Outgoing{Headers: l})
}

func (echoHandler) OnReady()       {}
func (echoHandler) OnDrain(error)  {}
func (echoHandler) OnClosed(error) {}

// echo is one call. Its stream takes one message at a time.
type echo struct {
	stream *transport.Stream // immutable

	mu sync.Mutex
	// guarded by mu
	in     frame.Assembler
	ended  bool   // the client's half
	done   bool   // trailers were sent
	issued uint64 // messages handed to the stream
	sent   uint64 // of those, how many it has taken
}

func (e *echo) OnHeaders(*frame.Headers, *cq.Lane) {}

func (e *echo) OnData(b *mem.Buffer, end bool, _ *cq.Lane) {
	n := 0
	if b != nil {
		n = b.Len()
	}
	e.mu.Lock()
	_ = e.in.Push(b, -1)
	e.ended = end
	o := e.nextLocked()
	e.mu.Unlock()
	e.stream.Consume(n)
	e.stream.Send(o)
}

func (e *echo) OnSent(s frame.Sent, _ *cq.Lane) {
	e.mu.Lock()
	e.sent = max(e.sent, s.Messages)
	o := e.nextLocked()
	e.mu.Unlock()
	e.stream.Send(o)
}

func (e *echo) OnClosed(*frame.CloseError, frame.Sent, *cq.Lane) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.in.Close()
}

// nextLocked is what may be sent now.
func (e *echo) nextLocked() (o frame.Outgoing) {
	if e.sent < e.issued || e.done {
		return o
	}
	if m, ok := e.in.Pop(); ok {
		e.issued++
		o.Message = m.Body
		frame.PutPrefix(&o.Prefix, m.Compressed, m.Body.Len())
	}
	if e.ended && !e.in.Ready() {
		e.done = true
		o.Trailers, o.End = frame.NewHeaderList(), true
		o.Trailers.Add("grpc-status", "0")
	}
	return o
}
