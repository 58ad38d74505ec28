package async

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
)

// ResponseWriter answers a call with one request and one response (C++
// ServerAsyncResponseWriter). The zero value is ready for one Request.
type ResponseWriter[Res any] struct{ responder }

// Finish ends the call with res and OK, or without res if st is not OK: true
// when the status is out, false if the call died. res may be reused when Finish
// returns. Every call that has come must be finished once, even a dead one.
func (w *ResponseWriter[Res]) Finish(res *Res, st cqrpc.Status, tag cq.Tag) error {
	return w.finishWith(res, st, tag)
}

// FinishWithError is Finish without a response; ErrStatusOK if st is OK.
func (w *ResponseWriter[Res]) FinishWithError(st cqrpc.Status, tag cq.Tag) error {
	return w.finishWithError(st, tag)
}
