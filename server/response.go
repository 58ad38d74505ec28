package server

import (
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
)

// beginResponse adds the initial metadata, if it is not out.
func (r *rpc) beginResponse(ops []call.Op) []call.Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun {
		return ops
	}
	r.begun = true
	return append(ops, call.SendInitialMetadata(r.header))
}

// revertBegin takes back beginResponse: the batch was rejected.
func (r *rpc) revertBegin() {
	r.mu.Lock()
	r.begun = false
	r.mu.Unlock()
}

// respond ends the call with its one response and OK, in one batch.
func (r *rpc) respond(res any) {
	r.free()
	var ops [3]call.Op
	batch := r.beginResponse(ops[:0])
	batch = append(batch, call.SendValue(res), call.SendStatus(cqrpc.Status{}, r.takeTrailer()))
	err := r.call.StartBatchOn((*parting)(r), batch, nil)
	if err == nil {
		return
	}
	if len(batch) == 3 {
		r.revertBegin()
	}
	r.finish(cqrpc.Status{Code: cqrpc.CodeInternal, Message: fmt.Sprintf("cannot marshal response %T: %v", res, err)})
}

// finish ends the call with a status. Without initial metadata of the
// application, and if nothing was sent, that is the whole response.
func (r *rpc) finish(st cqrpc.Status) {
	r.free()
	var ops [2]call.Op
	batch := ops[:0]
	if r.hasHeader() {
		batch = r.beginResponse(batch)
	}
	batch = append(batch, call.SendStatus(st, r.takeTrailer()))
	if err := r.call.StartBatchOn((*parting)(r), batch, nil); err != nil {
		// A codec that panicked has left the response half begun.
		r.call.CancelWithStatus(st.Code, st.Message)
	}
}

func (r *rpc) hasHeader() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.header) > 0
}

func (r *rpc) takeTrailer() cqrpc.Metadata {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trailer
}
