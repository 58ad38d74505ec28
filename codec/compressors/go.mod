// Compressors that need libraries: a module of its own, so that only who wants
// one of them depends on them.
module github.com/cqrpc/cqrpc/codec/compressors

go 1.26.0

require (
	github.com/andybalholm/brotli v1.2.6
	github.com/cqrpc/cqrpc v0.0.0
	github.com/klauspost/compress v1.20.1
)

require google.golang.org/protobuf v1.36.12 // indirect

replace github.com/cqrpc/cqrpc => ../..
