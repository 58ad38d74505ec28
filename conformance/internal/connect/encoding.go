package connect

import "github.com/cqrpc/cqrpc/conformance/internal/connectpb"

// Encoding is the grpc-encoding of a compression of the suite; that of one it
// does not know, which is in no set of compressors, is empty.
func Encoding(c connectpb.Compression) string {
	switch c {
	case connectpb.Compression_COMPRESSION_UNSPECIFIED, connectpb.Compression_COMPRESSION_IDENTITY:
		return "identity"
	case connectpb.Compression_COMPRESSION_GZIP:
		return "gzip"
	case connectpb.Compression_COMPRESSION_BR:
		return "br"
	case connectpb.Compression_COMPRESSION_ZSTD:
		return "zstd"
	case connectpb.Compression_COMPRESSION_DEFLATE:
		return "deflate"
	case connectpb.Compression_COMPRESSION_SNAPPY:
		return "snappy"
	}
	return ""
}
