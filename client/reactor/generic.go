package reactor

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
)

// Generic gives r a call of any method, "/pkg.Service/Method", whatever its
// shape, with bytes for messages.
func Generic(
	ctx context.Context, s *Stub, method string, r BidiReactor[[]byte, []byte], opts ...client.CallOption,
) {
	m := call.Method[[]byte, []byte]{Name: method, Shape: call.BidiStream}
	BidiStream(ctx, s, m, r, withBytes(opts)...)
}

// GenericUnary is [Unary] with bytes for messages.
func GenericUnary(
	ctx context.Context, s *Stub, method string, req []byte, res *[]byte, done func(cqrpc.Status),
	opts ...client.CallOption,
) {
	Unary(ctx, s, call.Method[[]byte, []byte]{Name: method}, &req, res, done, withBytes(opts)...)
}

// withBytes puts the codec first: an option of the caller's wins.
func withBytes(opts []client.CallOption) []client.CallOption {
	return append([]client.CallOption{asBytes}, opts...)
}

// asBytes makes a call's messages bytes, of application/grpc without a subtype:
// the server sees a call like any other.
var asBytes = client.WithCallCodec(codec.BytesNamed(""))
