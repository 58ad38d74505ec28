package async

import (
	"context"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
)

// asBytes makes a call's messages bytes, of application/grpc without a subtype: to
// the server it is a call like any other. An option of the application, which comes
// later, may choose another codec.
var asBytes = client.WithCallCodec(codec.BytesNamed(""))

// generic describes a method of any shape as one with many requests and many
// responses, which are bytes. Calls of it need a codec for bytes: see asBytes.
func generic(name string) call.Method[[]byte, []byte] {
	return call.Method[[]byte, []byte]{Name: name, Shape: call.BidiStream}
}

// GenericCall is BidiStream for messages that are bytes (C++ GenericStub.Call):
// any method can be called with it, also one with a single request or response.
func GenericCall(
	ctx context.Context, ch *client.Channel, method string, q *cq.Queue, tag cq.Tag, opts ...client.CallOption,
) (*ReaderWriter[[]byte, []byte], error) {
	return BidiStream(ctx, ch, generic(method), q, tag, bytesFirst(opts)...)
}

// PrepareGenericCall is PrepareBidiStream for messages that are bytes.
func PrepareGenericCall(
	ctx context.Context, ch *client.Channel, method string, q *cq.Queue, opts ...client.CallOption,
) *ReaderWriter[[]byte, []byte] {
	return PrepareBidiStream(ctx, ch, generic(method), q, bytesFirst(opts)...)
}

// PrepareGenericUnary is PrepareUnary for messages that are bytes (C++
// GenericStub.PrepareUnaryCall).
func PrepareGenericUnary(
	ctx context.Context, ch *client.Channel, method string, req []byte, q *cq.Queue, opts ...client.CallOption,
) *ResponseReader[[]byte] {
	return PrepareUnary(ctx, ch, generic(method), &req, q, bytesFirst(opts)...)
}

func bytesFirst(opts []client.CallOption) []client.CallOption {
	return append([]client.CallOption{asBytes}, opts...)
}
