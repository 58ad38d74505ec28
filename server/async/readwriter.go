package async

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// ReaderWriter serves a call with many requests and many responses (C++
// ServerAsyncReaderWriter). One Read and one Write may be outstanding; the two
// directions are independent. The zero value is ready for one Request.
type ReaderWriter[Req, Res any] struct{ responder }

// Read is [Reader.Read].
func (rw *ReaderWriter[Req, Res]) Read(req *Req, tag cq.Tag) error {
	return rw.read(req, req == nil, tag)
}

// Write is [Writer.Write].
func (rw *ReaderWriter[Req, Res]) Write(res *Res, tag cq.Tag, flags ...call.Flags) error {
	return rw.write(message(res, flags), going, tag)
}

// WriteBuffer is [Writer.WriteBuffer].
func (rw *ReaderWriter[Req, Res]) WriteBuffer(b *call.Buffer, tag cq.Tag, flags ...call.Flags) error {
	return rw.writeBuffer(b, tag, flags)
}

// WriteLast is [Writer.WriteLast].
func (rw *ReaderWriter[Req, Res]) WriteLast(res *Res, tag cq.Tag, flags ...call.Flags) error {
	return rw.write(message(res, flags).With(call.BufferHint), lastOut, tag)
}

// WriteAndFinish is [Writer.WriteAndFinish].
func (rw *ReaderWriter[Req, Res]) WriteAndFinish(res *Res, st cqrpc.Status, tag cq.Tag, flags ...call.Flags) error {
	return rw.respond(message(res, flags), st, tag)
}

// Finish is [Writer.Finish]. Requests not read by then are dropped; an outstanding
// Read ends, false.
func (rw *ReaderWriter[Req, Res]) Finish(st cqrpc.Status, tag cq.Tag) error {
	return rw.finish(st, tag)
}
