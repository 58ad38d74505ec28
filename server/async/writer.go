package async

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// Writer serves a call with one request and many responses (C++
// ServerAsyncWriter). One Write may be outstanding. The zero value is ready for
// one Request.
type Writer[Res any] struct{ responder }

// Write sends a response, with the initial metadata before the first: true when
// it is out, or with call.BufferHint when it is buffered; false if the call
// died. res may be reused when Write returns.
func (w *Writer[Res]) Write(res *Res, tag cq.Tag, flags ...call.Flags) error {
	return w.write(message(res, flags), going, tag)
}

// WriteBuffer is Write of a response that was encoded before, see [call.Encode],
// with the codec of the call. It takes ownership of b, on error too: to send it on
// other calls as well, give each a b.Ref().
func (w *Writer[Res]) WriteBuffer(b *call.Buffer, tag cq.Tag, flags ...call.Flags) error {
	return w.writeBuffer(b, tag, flags)
}

// WriteLast is Write of the last response, with call.BufferHint, because Finish is
// next. The response is not held back until then.
func (w *Writer[Res]) WriteLast(res *Res, tag cq.Tag, flags ...call.Flags) error {
	return w.write(message(res, flags).With(call.BufferHint), lastOut, tag)
}

// WriteAndFinish sends the last response and the status in one batch: true when
// both are out, false if the call died.
func (w *Writer[Res]) WriteAndFinish(res *Res, st cqrpc.Status, tag cq.Tag, flags ...call.Flags) error {
	return w.respond(message(res, flags), st, tag)
}

// Finish ends the call: true when the status is out, false if the call died. A
// Write may be outstanding: the status follows the message, and both tags are true
// unless the call dies. Every call that has come must be finished once, even a dead one.
func (w *Writer[Res]) Finish(st cqrpc.Status, tag cq.Tag) error { return w.finish(st, tag) }
