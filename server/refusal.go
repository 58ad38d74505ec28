package server

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
	"github.com/cqrpc/cqrpc/transport"
)

const (
	// refusalPatience is how long an answer waits for the end of its request.
	refusalPatience = time.Second
	// refusalCredit is how many bytes of the request are read and dropped, besides
	// the first window.
	refusalCredit = 1 << 20
)

// refuse answers a request that is no call: at once if the client speaks gRPC, else
// when it has sent all of its request.
func refuse(st *transport.Stream, h *frame.Headers, err error) {
	var e *call.RequestError
	if !errors.As(err, &e) {
		e = &call.RequestError{Status: cqrpc.StatusOf(err)}
	}
	if e.HTTPStatus != 0 && !h.End {
		newRefusal(st, e.Headers())
		return
	}
	st.Accept(transport.Discard)
	st.Send(frame.Outgoing{Trailers: e.Headers(), End: true})
}

// refusal is an answer with an HTTP status that waits for the end of its request: if
// the client still sends, RST_STREAM NO_ERROR follows the answer, and many HTTP clients
// then report the reset and not the status. Meanwhile the request must still obey the
// rules (RFC 9113 section 8.1).
type refusal struct {
	// immutable
	stream *transport.Stream
	timer  *time.Timer // the wait is over

	// reader only
	dropped int // bytes

	// atomic
	answer atomic.Pointer[frame.HeaderList] // nil once sent or dropped
}

var (
	_ transport.Receiver = (*refusal)(nil)
	_ cq.Completer       = (*refusal)(nil)
)

func newRefusal(st *transport.Stream, answer *frame.HeaderList) {
	r := &refusal{stream: st}
	r.answer.Store(answer)
	r.timer = time.AfterFunc(refusalPatience, r.send)
	r.timer.Stop() // until there is a receiver
	st.Accept(r)
	r.timer.Reset(refusalPatience)
}

// Begin implements cq.Completer for the end of the request.
func (r *refusal) Begin() bool { return true }

// Complete implements cq.Completer. By now the stream knows that the request has
// ended, so no RST_STREAM follows the answer.
func (r *refusal) Complete(cq.Completion) { r.send() }

func (r *refusal) send() {
	if l := r.answer.Swap(nil); l != nil {
		r.timer.Stop()
		r.stream.Send(frame.Outgoing{Trailers: l, End: true})
	}
}

// OnHeaders implements transport.Receiver: trailers end the request.
func (r *refusal) OnHeaders(_ *frame.Headers, lane *cq.Lane) { lane.Add(r, cq.Completion{}) }

// OnData implements transport.Receiver.
func (r *refusal) OnData(b *mem.Buffer, end bool, lane *cq.Lane) {
	n := b.Len()
	b.Free()
	if end {
		lane.Add(r, cq.Completion{})
		return
	}
	if r.dropped += n; r.dropped <= refusalCredit {
		r.stream.Consume(n)
	}
}

// OnSent implements transport.Receiver.
func (r *refusal) OnSent(frame.Sent, *cq.Lane) {}

// OnClosed implements transport.Receiver.
func (r *refusal) OnClosed(*frame.CloseError, frame.Sent, *cq.Lane) {
	r.timer.Stop()
	r.answer.Swap(nil).Free()
}
