package server

import (
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
)

// respond ends the call with its one response and OK, in one batch.
func (r *rpc) respond(res any) {
	r.free()
	var ops [3]call.Op
	batch := r.ctx.BeginResponse(ops[:0])
	batch = append(batch, call.SendValue(res), call.SendStatus(cqrpc.Status{}, r.ctx.Trailer()))
	err := r.call.StartBatchOn((*parting)(r), batch, nil)
	if err == nil {
		return
	}
	if len(batch) == 3 {
		r.ctx.RevertBegin()
	}
	r.finish(cqrpc.Status{Code: cqrpc.CodeInternal, Message: fmt.Sprintf("cannot marshal response %T: %v", res, err)})
}

// finish ends the call with a status. Without initial metadata of the
// application, and if nothing was sent, that is the whole response.
func (r *rpc) finish(st cqrpc.Status) {
	r.free()
	var ops [2]call.Op
	batch := ops[:0]
	if r.ctx.HasHeader() {
		batch = r.ctx.BeginResponse(batch)
	}
	batch = append(batch, call.SendStatus(st, r.ctx.Trailer()))
	if err := r.call.StartBatchOn((*parting)(r), batch, nil); err != nil {
		// A codec that panicked has left the response half begun.
		r.call.CancelWithStatus(st.Code, st.Message)
	}
}
