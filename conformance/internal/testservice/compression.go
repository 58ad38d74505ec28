package testservice

import (
	"bytes"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// mark is a field that no message has. It says of a message to send that it is
// to be compressed, which is up to each message here, and of a received one that
// it was, which no style of a library tells its application. protobuf puts
// unknown fields last.
var mark = protowire.AppendVarint(protowire.AppendTag(nil, protowire.MaxValidNumber, protowire.VarintType), 1)

// Compressors has a gzip that compresses the messages with a mark and marks those
// that came compressed. On the wire it is gzip like any other.
func Compressors() *codec.Compressors { return codec.NewCompressors(marking{codec.Gzip()}) }

// Compress marks a message to be sent compressed, if the call has gzip.
func Compress(m proto.Message) { m.ProtoReflect().SetUnknown(mark) }

// WasCompressed reports that a received message came compressed.
func WasCompressed(m proto.Message) bool { return bytes.Equal(m.ProtoReflect().GetUnknown(), mark) }

type marking struct{ codec.Compressor }

// Compress leaves a message without a mark as large as it is, which is why it
// goes out as it is.
func (c marking) Compress(dst, src []byte) ([]byte, error) {
	body, ok := bytes.CutSuffix(src, mark)
	if !ok {
		return append(dst, src...), nil
	}
	return c.Compressor.Compress(dst, body)
}

func (c marking) Decompress(dst, src []byte, limit int) ([]byte, error) {
	data, err := c.Compressor.Decompress(dst, src, limit)
	if err != nil {
		return data, err
	}
	return append(data, mark...), nil
}

// checkCompression is the error for a request that came otherwise than it says
// itself (client_compressed_unary, client_compressed_streaming).
func checkCompression(req proto.Message, expected *testpb.BoolValue) error {
	if expected == nil || expected.GetValue() == WasCompressed(req) {
		return nil
	}
	return cqrpc.Errorf(cqrpc.CodeInvalidArgument,
		"request has expect_compressed %t and compressed is %t", expected.GetValue(), WasCompressed(req))
}

// compressIf marks a response that was asked for so.
func compressIf(wanted *testpb.BoolValue, res proto.Message) {
	if wanted.GetValue() {
		Compress(res)
	}
}
