// Package compressors has message encodings besides gzip: zstd, brotli, deflate
// and snappy. It is a module of its own, since it needs libraries for them.
//
//	set := codec.NewCompressors(codec.Gzip(), compressors.Zstd())
//	srv := server.New(server.WithCompressors(set))
//
// Each is a [codec.Compressor] and keeps its promises: the limit of Decompress
// holds while inflating, and a message that was cut is an error. (Snappy has no
// end: cut between two blocks it is a shorter message. The length prefix of gRPC
// tells of that.) A value holds what
// its messages have in common, compression tables and buffers, so make one and
// share it. All are safe for concurrent use, and none starts a goroutine.
//
// gRPC names the encodings in grpc-encoding by what HTTP calls them (RFC 9110
// section 8.4.1); both peers must know one to use it.
package compressors
