package compressors_test

import (
	"fmt"
	"strings"

	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/codec/compressors"
)

// A client or server is given the set with its WithCompressors.
func Example() {
	set := codec.NewCompressors(codec.Gzip(), compressors.Zstd())
	fmt.Println(set.AcceptEncoding())

	zstd, ok := set.Lookup("zstd")
	if !ok {
		return
	}
	packed, err := zstd.Compress(nil, []byte(strings.Repeat("gopher ", 1000)))
	if err != nil {
		fmt.Println(err)
		return
	}
	message, err := zstd.Decompress(nil, packed, 1<<20)
	fmt.Println(len(packed) < 100, len(message), err)
	// Output:
	// identity,gzip,zstd
	// true 7000 <nil>
}
