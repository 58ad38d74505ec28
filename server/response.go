package server

import (
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
)

// respond ends the call with its one response and OK, in one batch.
func (r *rpc) respond(res any) {
	r.release()
	var ops [3]call.Op
	message := call.SendValue(res)
	batch, hasBegun := r.ctx.ForStyle().EndResponse(ops[:0], &message, cqrpc.Status{})
	err := r.call.StartBatchOn((*finishing)(r), batch, nil)
	if err == nil {
		return
	}
	if hasBegun {
		r.ctx.ForStyle().RevertBegin()
	}
	r.finish(cqrpc.Status{Code: cqrpc.CodeInternal, Message: fmt.Sprintf("cannot marshal response %T: %v", res, err)})
}

// end ends the call with what its handler has returned.
func (r *rpc) end(err error) {
	if f := r.conn.server.cfg.errorMapper; f != nil && err != nil {
		if mapped := f(err); mapped != nil {
			err = mapped
		}
	}
	r.finish(cqrpc.StatusOf(err))
}

// finish ends the call with a status.
func (r *rpc) finish(st cqrpc.Status) {
	r.release()
	var ops [2]call.Op
	batch, _ := r.ctx.ForStyle().EndResponse(ops[:0], nil, st)
	if err := r.call.StartBatchOn((*finishing)(r), batch, nil); err != nil {
		// A codec that panicked has left the response half begun.
		r.call.CancelWithStatus(st.Code, st.Message)
	}
}
