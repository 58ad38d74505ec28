package async

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
)

// Reader is a call with one request and many responses (C++ ClientAsyncReader).
// One Read may be outstanding.
type Reader[Res any] struct{ rpc }

// ServerStream starts a call of a method with one request and many responses.
// Its operations complete on q; tag comes when the request was sent, false if
// the call died first. The end of ctx ends the call. req may be reused when
// ServerStream returns. The error is that of StartCall.
func ServerStream[Req, Res any](
	ctx context.Context, ch *client.Channel, m call.Method[Req, Res], req *Req, q *cq.Queue, tag cq.Tag,
	opts ...client.CallOption,
) (*Reader[Res], error) {
	r := PrepareServerStream(ctx, ch, m, req, q, opts...)
	if err := r.StartCall(tag); err != nil {
		r.TryCancel()
		return nil, err
	}
	return r, nil
}

// PrepareServerStream is ServerStream for a call to be started by StartCall,
// which marshals req: until then it must not change. Give up a call that is not
// started with TryCancel.
func PrepareServerStream[Req, Res any](
	ctx context.Context, ch *client.Channel, m call.Method[Req, Res], req *Req, q *cq.Queue, opts ...client.CallOption,
) *Reader[Res] {
	r := new(Reader[Res])
	r.prepare(ctx, ch, m.Name, false, req, q, opts)
	return r
}

// StartCall sends initial metadata, request and half-close: true when they are
// out, false if the call died first; Finish says why.
func (r *Reader[Res]) StartCall(tag cq.Tag) error { return r.startCall(tag) }

// Read receives the next response into res: true if there was one, false if
// there is none; Finish says why. res must not be touched before the event. What was
// in it is replaced; with codec.ProtoReusing its memory is used again.
func (r *Reader[Res]) Read(res *Res, tag cq.Tag) error { return r.read(res, res == nil, tag) }

// Finish asks for the status. Its event is always true and comes when the call
// is over. Once per call.
//
// Responses that are not read by then are dropped, and no Read may follow. But if a
// Read is outstanding, reading goes on, and an OK waits for the Read that finds no
// more messages.
func (r *Reader[Res]) Finish(st *cqrpc.Status, tag cq.Tag) error { return r.finish(nil, st, tag) }
