package future

import (
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/half"
	"github.com/cqrpc/cqrpc/internal/station"
	"github.com/cqrpc/cqrpc/server"
)

// rpc is one call.
//
//	connection   accept: {RECV_CLOSE}, and {RECV_MESSAGE} if there is one request
//	poller       arriving: the handler runs
//	anybody      answer: Success, Fail, Close, once ──► {…, SEND_STATUS}
//	poller       finishing and ended, in any order: the answer's future is resolved
//
// The queue is kept open until ended: RECV_CLOSE completes through the queue,
// where Begin was called when the call was accepted.
type rpc struct {
	// immutable
	accepted server.Accepted
	home     *station.Station
	serve    func(*rpc)
	out      *half.Sender // nil if there is one response

	ctx  Context
	stay station.Stay

	request    *call.Buffer // written when RECV_MESSAGE is harvested; the poller's
	isReleased atomic.Bool
	tally      half.Tally // of handler, RECV_CLOSE, batches and what was spawned

	answer future.Promise[struct{}]

	mu sync.Mutex
	// guarded by mu
	hasArrived bool // the handler has returned, or will not run
	isOver     bool // RECV_CLOSE was harvested
	answering  answering
	status     cqrpc.Status // of the answer
	err        error        // why it could not be sent
}

// accept is the beginning of a call, on the connection's goroutine.
func accept(a server.Accepted, home *station.Station, serve func(*rpc), hasOneRequest bool) {
	r := &rpc{accepted: a, home: home, serve: serve}
	r.ctx.rpc = r
	q := home.Queue()
	if !home.Enter(&r.stay, r) || !q.Begin() {
		home.Leave(&r.stay)
		r.release()
		r.Evict()
		a.Done()
		return
	}
	r.tally.Begin((*settling)(r), 2) // arriving and ended
	r.ctx.ForStyle().Bind(a.Call, (*closing)(r))
	var err error
	if hasOneRequest {
		ops := [1]call.Op{call.RecvMessage(&r.request)}
		err = a.Call.StartBatchOn(q, ops[:], (*arriving)(r))
	} else {
		err = q.Post((*arriving)(r), true)
	}
	if err != nil { // the environment is closed, and this call over
		r.arrived()
	}
}

// arriving is the view of an rpc for whom the handler is waiting: the request
// has come, or there is none to wait for.
type arriving rpc

// Run implements cq.Callback.
func (v *arriving) Run(ev cq.Event) {
	r := (*rpc)(v)
	defer r.arrived()
	defer r.drop()
	r.mu.Lock()
	isOver := r.isOver
	r.mu.Unlock()
	if ev.OK && !isOver {
		r.run(r.begin)
	}
}

func (r *rpc) begin() {
	if refusal := r.accepted.Admit(&r.ctx.Context); refusal != nil {
		r.end(refusal.Status)
		return
	}
	r.serve(r)
}

// arrived notes that nothing of the handler runs any more but what it left
// behind on other goroutines.
func (r *rpc) arrived() {
	r.mu.Lock()
	r.hasArrived = true
	isOver := r.isOver
	r.mu.Unlock()
	if isOver {
		r.release()
	}
	r.tally.Leave()
}

// settling is the view of an rpc for which nothing runs any more: the last callback
// has returned, and what the application still starts is its own business.
type settling rpc

// Settled implements half.Settler.
func (v *settling) Settled() { v.accepted.Done() }

// closing completes RECV_CLOSE, on a goroutine of the engine.
type closing rpc

// Begin implements cq.Completer; it is not called.
func (v *closing) Begin() bool { return true }

// Complete implements cq.Completer.
func (v *closing) Complete(c cq.Completion) {
	v.home.Queue().Complete(cq.Completion{Tag: (*ended)(v), OK: c.OK})
}

// ended is the view of an rpc whose call is over.
type ended rpc

// Run implements cq.Callback.
func (v *ended) Run(cq.Event) {
	r := (*rpc)(v)
	defer r.tally.Leave()
	r.home.Leave(&r.stay)
	r.mu.Lock()
	r.isOver = true
	hasArrived, isKnown, err := r.hasArrived, r.answering == known, r.err
	r.mu.Unlock()
	if hasArrived {
		r.release()
	}
	if isKnown {
		defer r.answer.Settle(struct{}{}, err) // even if a function that waits for a Send panics
	}
	if r.out != nil {
		r.out.Over(r.accepted.Call.Err())
	}
}

// release counts the call as served, once: when its answer goes out, or when it
// is over and its handler has returned.
func (r *rpc) release() {
	if r.isReleased.CompareAndSwap(false, true) {
		r.accepted.Release()
	}
}

// drop frees a request that was not taken.
func (r *rpc) drop() {
	r.request.Free()
	r.request = nil
}

// take decodes the one request into v. If it cannot, there is nothing to serve: it
// ends the call and reports false.
func (r *rpc) take(v any) bool {
	if r.request == nil {
		r.end(server.StatusNoMessage)
		return false
	}
	err := r.accepted.Call.Decode(r.request, v)
	r.drop()
	if err != nil {
		r.end(err.Status)
	}
	return err == nil
}

// run runs a function of the application on the poller.
func (r *rpc) run(f func()) {
	returned := false
	defer func() {
		if !returned { // panic, or runtime.Goexit as testing's FailNow
			r.panicked(recover(), debug.Stack())
		}
	}()
	f()
	returned = true
}

// panicked ends a call of which a function has panicked.
func (r *rpc) panicked(v any, stack []byte) {
	r.end(server.StatusPanicked)
	r.accepted.Panicked(v, stack)
}

// crashed is panicked for a function of which half has caught the panic.
func (r *rpc) crashed(e *future.PanicError) { r.panicked(e.Value, e.Stack) }

// Evict implements station.Tenant: the client may try another server.
func (r *rpc) Evict() {
	r.accepted.Call.CancelWithStatus(cqrpc.CodeUnavailable, "environment is closed")
}

// Left implements station.Tenant.
func (r *rpc) Left() string {
	if r.accepted.Call.Finished() {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	text := "server " + r.accepted.Call.Method()
	if r.answering == undecided {
		text += ": sink"
	}
	return text
}

// Abandon implements station.Abandonable, for the sink.
func (r *rpc) Abandon() (station.Leak, bool) {
	k := r.accepted.Call
	r.mu.Lock()
	isDecided := r.answering != undecided
	r.mu.Unlock()
	if isDecided || k.Finished() {
		return station.Leak{}, false
	}
	r.ctx.TryCancel()
	return station.Leak{Method: k.Method(), Side: "server", End: "sink"}, true
}

// misuse is the error of a batch that was rejected.
func (r *rpc) misuse(err error) error {
	if e := r.accepted.Call.Err(); e != nil && errors.Is(err, cq.ErrShutdown) {
		return e // the queue is there as long as the call is
	}
	return call.Misuse(err)
}
