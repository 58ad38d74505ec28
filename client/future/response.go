package future

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/station"
)

// Response is the one response of a call, as a future. It fails with the call's
// *cqrpc.Error. All methods may be called concurrently.
type Response[T any] struct {
	*future.Future[*T]

	rpc *rpc
}

// Header returns the future of the response's initial metadata, which is empty
// if the server answered with a status only. It fails with the call's error if
// there was no answer.
func (r *Response[T]) Header() *future.Future[cqrpc.Metadata] { return r.rpc.Header() }

// Trailer returns the trailing metadata once the response is resolved, nil
// before.
func (r *Response[T]) Trailer() cqrpc.Metadata { return r.rpc.Trailer() }

// Peer returns the server's address; the zero Peer while there is no connection.
func (r *Response[T]) Peer() call.Peer { return r.rpc.Peer() }

// Cancel ends the call with CANCELLED, if it has not ended.
func (r *Response[T]) Cancel() { r.rpc.Cancel() }

// answer is a call with one response: the cell of its future.
type answer[T any] struct {
	rpc
	out sending

	promise  future.Promise[*T]
	response Response[T]
	res      *T
}

func newAnswer[T any]() *answer[T] {
	a := &answer[T]{res: new(T)}
	a.response = Response[T]{Future: a.promise.Future(), rpc: &a.rpc}
	return a
}

// Unary calls a method with one request and one response. req may be reused
// when Unary returns. It never fails by itself: what is wrong is the error of
// the response.
func Unary[Req, Res any](
	ctx context.Context, s *Stub, m call.Method[Req, Res], req *Req, opts ...client.CallOption,
) *Response[Res] {
	a := newAnswer[Res]()
	if err := a.prepare(ctx, s, m.Name, true, opts, a); err != nil {
		a.promise.Fail(err)
		return &a.response
	}
	ops := [...]call.Op{
		call.SendInitialMetadata(a.prepared.Metadata), call.SendValue(req), call.SendClose(),
		call.RecvValue(a.res, nil), call.RecvStatus(nil, nil),
	}
	if err := a.launch((*answering[Res])(a), ops[:]); err != nil {
		a.promise.Fail(err)
	}
	return &a.response
}

// answering is the view of an answer that the batch with RECV_STATUS completes.
type answering[T any] answer[T]

// Run implements cq.Callback.
func (v *answering[T]) Run(cq.Event) {
	a := (*answer[T])(v)
	err := a.over()
	a.prepared.Call.Close() // a message that is not to be had is not to be kept
	res := a.res
	a.res = nil
	defer a.promise.Settle(res, err) // even if a function that waits for a Send panics
	a.out.over(err)
}

// Left implements station.Tenant.
func (a *answer[T]) Left() string {
	if a.prepared.Call.Finished() {
		return ""
	}
	text := "client " + a.prepared.Call.Method() + ": "
	if a.out.isOpen() {
		text += "sink, "
	}
	return text + "response"
}

// Abandon implements station.Abandonable for the sink.
func (a *answer[T]) Abandon() (station.Leak, bool) { return a.abandon("sink", a.out.isOpen()) }
