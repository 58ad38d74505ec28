package async

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
)

// ReaderWriter is a call with many requests and many responses (C++
// ClientAsyncReaderWriter). One Read, and one Write or WritesDone, may be
// outstanding; the two directions are independent.
type ReaderWriter[Req, Res any] struct{ rpc }

// BidiStream starts a call of a method with many requests and many responses.
// Its operations complete on q; tag comes when the initial metadata was sent,
// false if the call died first. The end of ctx ends the call. The error is that
// of StartCall.
func BidiStream[Req, Res any](
	ctx context.Context, ch *client.Channel, m call.Method[Req, Res], q *cq.Queue, tag cq.Tag,
	opts ...client.CallOption,
) (*ReaderWriter[Req, Res], error) {
	rw := PrepareBidiStream(ctx, ch, m, q, opts...)
	if err := rw.StartCall(tag); err != nil {
		rw.TryCancel()
		return nil, err
	}
	return rw, nil
}

// PrepareBidiStream is BidiStream for a call to be started by StartCall or
// StartCallCorked. Give up one that is not started with TryCancel.
func PrepareBidiStream[Req, Res any](
	ctx context.Context, ch *client.Channel, m call.Method[Req, Res], q *cq.Queue, opts ...client.CallOption,
) *ReaderWriter[Req, Res] {
	rw := new(ReaderWriter[Req, Res])
	rw.prepare(ctx, ch, m.Name, false, nil, q, opts)
	return rw
}

// StartCall is [Writer.StartCall].
func (rw *ReaderWriter[Req, Res]) StartCall(tag cq.Tag) error { return rw.startCall(tag) }

// StartCallCorked is [Writer.StartCallCorked].
func (rw *ReaderWriter[Req, Res]) StartCallCorked() error { return rw.cork() }

// Read is [Reader.Read].
func (rw *ReaderWriter[Req, Res]) Read(res *Res, tag cq.Tag) error {
	return rw.read(res, res == nil, tag)
}

// Write is [Writer.Write].
func (rw *ReaderWriter[Req, Res]) Write(req *Req, tag cq.Tag, flags ...call.Flags) error {
	return rw.write(call.SendValue(req), 0, tag, flags)
}

// WriteBuffer is [Writer.WriteBuffer].
func (rw *ReaderWriter[Req, Res]) WriteBuffer(b *call.Buffer, tag cq.Tag, flags ...call.Flags) error {
	return rw.writeBuffer(b, tag, flags)
}

// WriteLast is [Writer.WriteLast].
func (rw *ReaderWriter[Req, Res]) WriteLast(req *Req, tag cq.Tag, flags ...call.Flags) error {
	return rw.write(call.SendValue(req), toClose, tag, flags)
}

// WritesDone is [Writer.WritesDone].
func (rw *ReaderWriter[Req, Res]) WritesDone(tag cq.Tag) error { return rw.writesDone(tag) }

// Finish is [Reader.Finish]. It half-closes if that was not done.
func (rw *ReaderWriter[Req, Res]) Finish(st *cqrpc.Status, tag cq.Tag) error {
	return rw.finish(nil, st, tag)
}
