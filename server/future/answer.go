package future

import (
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/half"
)

// answering is how far the answer of a call has come.
//
//	           Success, Fail, Close           SEND_STATUS has ended, or was rejected
//	undecided ──────────────────────► decided ──────────────────────────────────────► known
type answering uint8

const (
	undecided answering = iota
	decided             // how the call is to end
	known               // whether that was sent
)

var answeringNames = [...]string{"undecided", "decided", "known"}

func (a answering) String() string { return answeringNames[a] }

// to is the only place that changes it.
func (a *answering) to(next answering) {
	if next != *a+1 {
		panic(fmt.Sprintf("BUG: future: answer %v -> %v", *a, next))
	}
	*a = next
}

// decide notes how the application wants the call to end. Only the first decision
// counts; for others it reports false.
func (r *rpc) decide(st cqrpc.Status) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answering != undecided {
		return false
	}
	r.answering.to(decided)
	r.status = st
	return true
}

// end ends the call with a status.
func (r *rpc) end(st cqrpc.Status) *half.Done {
	if !r.decide(st) {
		return half.Failed(future.ErrClosed)
	}
	r.finish()
	return r.answer.Future()
}

// finish sends the status that was decided on.
func (r *rpc) finish() {
	r.release()
	if r.out != nil {
		r.out.Close()
		return
	}
	var ops [2]call.Op
	batch := append(ops[:0], r.End())
	head, isOpening := r.Head(true)
	if isOpening {
		batch = append(batch, head)
	}
	r.tally.Enter()
	if err := r.accepted.Call.StartBatchOn(r.home.Queue(), batch, (*finishing)(r)); err != nil {
		defer r.tally.Leave()
		if isOpening {
			r.Revert()
		}
		r.Ended(r.misuse(err))
	}
}

// respond ends the call with its one response and OK, in one batch.
func (r *rpc) respond(res any) *half.Done {
	if !r.decide(cqrpc.Status{}) {
		return half.Failed(future.ErrClosed)
	}
	r.release()
	isAccepted := false
	r.tally.Enter()
	defer func() {
		if !isAccepted { // rejected, or the codec panicked
			defer r.tally.Leave()
			r.refuse(res)
		}
	}()
	var ops [3]call.Op
	batch := append(ops[:0], call.SendValue(res), r.End())
	head, isOpening := r.Head(false)
	if isOpening {
		batch = append(batch, head)
	}
	err := r.accepted.Call.StartBatchOn(r.home.Queue(), batch, (*finishing)(r))
	if isAccepted = err == nil; !isAccepted {
		if isOpening {
			r.Revert()
		}
		r.mu.Lock()
		r.err = r.misuse(err)
		r.mu.Unlock()
	}
	return r.answer.Future()
}

// refuse ends a call whose response cannot be sent.
func (r *rpc) refuse(res any) {
	r.mu.Lock()
	r.status = cqrpc.Status{Code: cqrpc.CodeInternal, Message: fmt.Sprintf("cannot marshal response %T", res)}
	if r.err != nil {
		r.status.Message += ": " + r.err.Error()
	}
	r.mu.Unlock()
	r.finish()
}

// finishing is the view of an rpc that the batch with SEND_STATUS completes.
type finishing rpc

// Run implements cq.Callback.
func (v *finishing) Run(ev cq.Event) {
	r := (*rpc)(v)
	defer r.tally.Leave()
	r.Ended(ev.Err)
}

// Head implements half.Side. Without initial metadata of the application, and if
// nothing was sent, the status alone is the whole response.
func (r *rpc) Head(isAlone bool) (op call.Op, isDue bool) {
	if isAlone && !r.ctx.ForStyle().HasHeader() {
		return op, false
	}
	var ops [1]call.Op
	if len(r.ctx.ForStyle().BeginResponse(ops[:0])) == 0 {
		return op, false
	}
	return ops[0], true
}

// Revert implements half.Side.
func (r *rpc) Revert() { r.ctx.ForStyle().RevertBegin() }

// End implements half.Side.
func (r *rpc) End() call.Op {
	r.mu.Lock()
	st := r.status
	r.mu.Unlock()
	return call.SendStatus(st, r.ctx.ForStyle().Trailer())
}

// Ended implements half.Side: the status was sent, or could not be. The call
// ends in any case.
func (r *rpc) Ended(err error) {
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	r.answering.to(known)
	err, st, isOver := r.err, r.status, r.isOver
	r.mu.Unlock()
	if err != nil { // a codec that panicked may have left a batch half begun
		r.accepted.Call.CancelWithStatus(st.Code, st.Message)
	}
	if isOver {
		r.answer.Settle(struct{}{}, err)
	}
}
