package async

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
)

// Writer is a call with many requests and one response (C++ ClientAsyncWriter).
// One Write or WritesDone may be outstanding.
type Writer[Req any] struct {
	rpc
	response any // a *Res for Finish, or nil
}

// ClientStream starts a call of a method with many requests and one response,
// which Finish receives into res, if res is not nil. Its operations complete on q; tag comes when
// the initial metadata was sent, false if the call died first. The end of ctx
// ends the call. The error is that of StartCall.
func ClientStream[Req, Res any](
	ctx context.Context, ch *client.Channel, m call.Method[Req, Res], res *Res, q *cq.Queue, tag cq.Tag,
	opts ...client.CallOption,
) (*Writer[Req], error) {
	w := PrepareClientStream(ctx, ch, m, res, q, opts...)
	if err := w.StartCall(tag); err != nil {
		w.TryCancel()
		return nil, err
	}
	return w, nil
}

// PrepareClientStream is ClientStream for a call to be started by StartCall or
// StartCallCorked. Give up one that is not started with TryCancel.
func PrepareClientStream[Req, Res any](
	ctx context.Context, ch *client.Channel, m call.Method[Req, Res], res *Res, q *cq.Queue, opts ...client.CallOption,
) *Writer[Req] {
	w := &Writer[Req]{response: target(res)}
	w.prepare(ctx, ch, m.Name, true, nil, q, opts)
	return w
}

// StartCall sends the initial metadata: true when it is out, false if the call
// died first; Finish says why.
func (w *Writer[Req]) StartCall(tag cq.Tag) error { return w.startCall(tag) }

// StartCallCorked starts the call and sends nothing yet: the initial metadata
// goes out with the first Write, WritesDone or Finish. It has no tag.
func (w *Writer[Req]) StartCallCorked() error { return w.cork() }

// Write sends a request: true when it is out, or with call.BufferHint when it is
// buffered; false if the call died. req may be reused when Write returns.
func (w *Writer[Req]) Write(req *Req, tag cq.Tag, flags ...call.Flags) error {
	return w.write(call.SendValue(req), 0, tag, flags)
}

// WriteBuffer is Write of a request that was encoded before, see [call.Encode],
// with the codec of the call. It takes ownership of b, on error too: to send it on
// other calls as well, give each a b.Ref().
func (w *Writer[Req]) WriteBuffer(b *call.Buffer, tag cq.Tag, flags ...call.Flags) error {
	return w.writeBuffer(b, tag, flags)
}

// WriteLast is Write and WritesDone in one operation.
func (w *Writer[Req]) WriteLast(req *Req, tag cq.Tag, flags ...call.Flags) error {
	return w.write(call.SendValue(req), toClose, tag, flags)
}

// WritesDone half-closes: the server learns that there are no more requests. True
// when that is out, or the call was over before; false if it died meanwhile.
func (w *Writer[Req]) WritesDone(tag cq.Tag) error { return w.writesDone(tag) }

// Finish asks for the response, into the res that the call was made with, and
// for the status, and half-closes if that was not done. Its event is always
// true: *st says how the call went. Once per call, the last operation.
func (w *Writer[Req]) Finish(st *cqrpc.Status, tag cq.Tag) error {
	return w.finish(w.response, st, tag)
}
