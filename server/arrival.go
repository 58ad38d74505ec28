package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
	"github.com/cqrpc/cqrpc/transport"
)

// arrival is a call on its way to a request.
//
//	            payload here             request here
//	reading ──────────────────► offered ──────────────► matched: the application's
//	   │  PayloadNone: at once     │  ▲
//	   │                           ▼  │ request comes
//	   └── the call died ──►    pending ──► refused: too many, too old, server ends
//
// It stands between the stream and the call, to see how much arrives and
// whether the stream ends while the call waits. If the call is matched at once the
// arrival steps aside; if the call had to wait it stays, and only passes events on.
type arrival struct {
	*call.Attempt

	// immutable
	call   *call.Call
	stream *transport.Stream
	method *Method
	home   int      // of its connection
	lane   *cq.Lane // the connection's

	// reader only
	received int64 // bytes of DATA

	accounting atomic.Bool // pending: the matcher wants to know of every byte

	isFree bool // only its request refers to it; written before it is matched

	// guarded by matcher.mu
	prev, next *arrival
	isPending  bool
	held       int64     // bytes in the budget
	expiry     time.Time // when it has waited too long

	// the reader's until matched or refused, the harvester's then
	payload cq.Completion // of the batch that received message
	message *call.Buffer  // written when payload is harvested
}

var (
	_ transport.Receiver = (*arrival)(nil)
	_ cq.Completer       = (*arrival)(nil)
)

// enqueue makes a call of a request for a method of the queue style.
func (c *conn) enqueue(m *Method, st *transport.Stream, h *frame.Headers, lane *cq.Lane) {
	s := c.server
	if isClosed(s.stopping) {
		return // refused as unprocessed: another server can have it
	}
	k := c.newCall(st, h, m.name == "", m.payload == PayloadOnly)
	if k == nil {
		return
	}
	a := arrivals.Get().(*arrival)
	a.Attempt, a.call, a.stream, a.method, a.home, a.lane = k.Receiver(), k, st, m, c.home, lane
	st.Accept(a)
	k.Start()
	switch {
	case m.payload == PayloadNone:
		m.matcher.offer(a, lane)
	case s.pending.isFull() && m.matcher.numRequests() == 0:
		a.refuse(&statusTooManyCalls) // before its payload costs anything
	default:
		a.readPayload()
	}
}

// arrivals are those that nothing refers to any more.
var arrivals = sync.Pool{New: func() any { return new(arrival) }}

// leave takes the arrival out from between a call that was matched and its
// stream. On the reader's goroutine.
func (a *arrival) leave() { a.isFree = a.stream.Replace(a.Attempt) }

// recycle is called once everything has been taken out of an arrival that was matched.
func (a *arrival) recycle() {
	if a.isFree {
		*a = arrival{}
		arrivals.Put(a)
	}
}

// readPayload starts to receive the first message.
func (a *arrival) readPayload() {
	op := [1]call.Op{call.RecvMessage(&a.message)}
	if err := a.call.StartBatchOn(a, op[:], nil); err != nil {
		panic("BUG: server: " + err.Error())
	}
}

// Begin implements cq.Completer for readPayload.
func (a *arrival) Begin() bool { return true }

// Complete implements cq.Completer for readPayload. A call that died before
// its payload was there never reaches the application.
//
// It is the connection's reader that brings a message or the half-close, so the call
// of Complete with OK runs there and may use its lane; all else fails the batch.
func (a *arrival) Complete(c cq.Completion) {
	a.payload = c
	if !c.OK {
		a.discard()
		return
	}
	a.method.matcher.offer(a, a.lane)
}

// takePayload decodes the first message, on the goroutine of the harvester:
// into v if v is not nil. It reports false if the application must not see the
// call; then the call has been answered.
func (a *arrival) takePayload(v any) (*call.Buffer, bool) {
	if a.payload.Finalizer == nil {
		return nil, true
	}
	ok := a.payload.Harvest()
	a.payload.Finalizer = nil
	if !ok {
		return nil, false // the call has ended because of that
	}
	switch {
	case a.message == nil && (v != nil || a.method.payload == PayloadOnly):
		a.call.CancelWithStatus(StatusNoMessage.Code, StatusNoMessage.Message)
		return nil, false
	case a.message == nil:
		return nil, true
	}
	err := a.call.Decode(a.message, v)
	message := a.message
	a.message = nil
	if err == nil && v == nil {
		return message, true
	}
	message.Free()
	if err != nil {
		ctx, _ := a.call.Value(contextKey{}).(*Context)
		a.answer(ctx, err.Status)
		return nil, false
	}
	return nil, true
}

// admit runs the server's filters, on the goroutine of the harvester. It reports
// false if one has refused the call, which then has been answered.
func (a *arrival) admit(s *Server) bool {
	if len(s.cfg.filters) == 0 {
		return true
	}
	ctx := &Context{call: a.call, isWatched: true} // from the start: a filter may ask for Done later, after Bind
	a.call.OnEnd(&relay{ctx, nil})
	refusal := ctx.admit(s)
	if refusal == nil {
		return true
	}
	a.dropPayload()
	a.answer(ctx, refusal.Status)
	return false
}

// answer ends a call that was matched and that the application will not see, with
// what filters have set in ctx, which is nil without filters.
func (a *arrival) answer(ctx *Context, st cqrpc.Status) {
	if ctx == nil {
		a.call.CancelWithStatus(st.Code, st.Message)
		return
	}
	var ops [2]call.Op
	batch, _ := ctx.ForStyle().EndResponse(ops[:0], nil, st)
	if err := a.call.StartBatchOn(cq.Discard, batch, nil); err != nil {
		a.call.CancelWithStatus(st.Code, st.Message)
	}
}

// refuse ends a call that the application will not see.
func (a *arrival) refuse(st *cqrpc.Status) {
	a.call.CancelWithStatus(st.Code, st.Message)
	a.discard()
}

// crashed ends a call that was matched but not judged: a codec has panicked, or a codec or
// a filter has ended the goroutine.
func (a *arrival) crashed() {
	a.call.CancelWithStatus(cqrpc.CodeInternal, "panic in codec or filter")
	a.dropPayload()
}

// discard frees what has arrived of a call that has ended.
func (a *arrival) discard() {
	a.dropPayload()
	a.call.Close()
}

func (a *arrival) dropPayload() {
	if a.payload.Finalizer != nil {
		call.Drop(a.payload.Finalizer)
		a.payload.Finalizer = nil
	}
	a.message.Free()
	a.message = nil
}

// OnData implements transport.Receiver.
func (a *arrival) OnData(b *mem.Buffer, end bool, lane *cq.Lane) {
	n := int64(b.Len())
	a.received += n
	if a.accounting.Load() && !a.method.matcher.grow(a, n) {
		b.Free()
		a.refuse(&statusTooManyBytes)
		return
	}
	a.Attempt.OnData(b, end, lane)
}

// OnClosed implements transport.Receiver.
func (a *arrival) OnClosed(err *frame.CloseError, sent frame.Sent, lane *cq.Lane) {
	a.Attempt.OnClosed(err, sent, lane)
	if a.accounting.Load() && a.method.matcher.drop(a) {
		a.discard()
	}
}
