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

// Generic describes a method of any shape as one with many requests and many
// responses, which are bytes. Calls of it need a codec for bytes: GenericCall brings
// one; the channel's codec, if it is for other messages, refuses every message.
func Generic(name string) call.Method[[]byte, []byte] {
	return call.Method[[]byte, []byte]{Name: name, Shape: call.BidiStream}
}

// GenericCall is BidiStream for messages that are bytes (C++ GenericStub.Call):
// any method can be called with it, also one with a single request or response.
func GenericCall(
	ctx context.Context, ch *client.Channel, method string, q *cq.Queue, tag cq.Tag, opts ...client.CallOption,
) (*ReaderWriter[[]byte, []byte], error) {
	return BidiStream(ctx, ch, Generic(method), q, tag, bytesFirst(opts)...)
}

// PrepareGenericCall is PrepareBidiStream for messages that are bytes.
func PrepareGenericCall(
	ctx context.Context, ch *client.Channel, method string, q *cq.Queue, opts ...client.CallOption,
) *ReaderWriter[[]byte, []byte] {
	return PrepareBidiStream(ctx, ch, Generic(method), q, bytesFirst(opts)...)
}

// PrepareGenericUnary is PrepareUnary for messages that are bytes (C++
// GenericStub.PrepareUnaryCall).
func PrepareGenericUnary(
	ctx context.Context, ch *client.Channel, method string, req []byte, q *cq.Queue, opts ...client.CallOption,
) *ResponseReader[[]byte] {
	return PrepareUnary(ctx, ch, Generic(method), &req, q, bytesFirst(opts)...)
}

func bytesFirst(opts []client.CallOption) []client.CallOption {
	return append([]client.CallOption{asBytes}, opts...)
}
