package async

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
)

// Reader serves a call with many requests and one response (C++
// ServerAsyncReader). One Read may be outstanding. The zero value is ready for
// one Request.
type Reader[Req, Res any] struct{ responder }

// Read receives the next request into req: true if there was one; false if the
// client has half-closed, with call.ErrEnded, or the call died. req must not be
// touched before the event.
func (r *Reader[Req, Res]) Read(req *Req, tag cq.Tag) error { return r.read(req, req == nil, tag) }

// Finish is [ResponseWriter.Finish]. Requests not read by then are dropped.
func (r *Reader[Req, Res]) Finish(res *Res, st cqrpc.Status, tag cq.Tag) error {
	return r.finishWith(res, st, tag)
}

// FinishWithError is Finish without a response; ErrStatusOK if st is OK.
func (r *Reader[Req, Res]) FinishWithError(st cqrpc.Status, tag cq.Tag) error {
	return r.finishWithError(st, tag)
}
