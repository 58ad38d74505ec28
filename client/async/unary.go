package async

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
)

// ResponseReader is a call with one request and one response (C++
// ClientAsyncResponseReader).
type ResponseReader[Res any] struct{ rpc }

// Unary makes a call of a method with one request and one response. Its
// operations complete on q. The end of ctx ends the call. Nothing is sent, and
// req not marshalled, before Finish or ReadInitialMetadata: until then req must
// not change.
func Unary[Req, Res any](
	ctx context.Context, ch *client.Channel, m call.Method[Req, Res], req *Req, q *cq.Queue, opts ...client.CallOption,
) *ResponseReader[Res] {
	r := PrepareUnary(ctx, ch, m, req, q, opts...)
	r.phase.to(corked)
	return r
}

// PrepareUnary is Unary for a call to be started by StartCall. Give up one that is
// not started with TryCancel.
func PrepareUnary[Req, Res any](
	ctx context.Context, ch *client.Channel, m call.Method[Req, Res], req *Req, q *cq.Queue, opts ...client.CallOption,
) *ResponseReader[Res] {
	r := new(ResponseReader[Res])
	r.prepare(ctx, ch, m.Name, true, req, q, opts)
	return r
}

// StartCall starts the call. It sends nothing and has no tag: the first operation sends.
func (r *ResponseReader[Res]) StartCall() error { return r.cork() }

// Finish asks for response and status, and sends the request unless
// ReadInitialMetadata has. Its event is always true: *st says how the call
// went, and *res is the response if that is OK; res may be nil. Once per call,
// the last operation. A request that cannot be marshalled is a *call.BatchError.
func (r *ResponseReader[Res]) Finish(res *Res, st *cqrpc.Status, tag cq.Tag) error {
	return r.finish(target(res), st, tag)
}
