package codec_test

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc/codec"
)

// Codecs append to what they are given, so the caller owns all memory.
func ExampleProto() {
	k := codec.Proto()
	data, err := k.Append(nil, wrapperspb.String("gopher"))
	if err != nil {
		fmt.Println(err)
		return
	}
	var v wrapperspb.StringValue
	fmt.Println(k.Name(), len(data), k.Unmarshal(data, &v), v.GetValue())
	// Output: proto 8 <nil> gopher
}

// An application that receives into one message again and again, and keeps nothing of it, need not
// allocate its bytes each time.
func ExampleProtoReusing() {
	k := codec.ProtoReusing()
	var v wrapperspb.BytesValue
	err := k.Unmarshal([]byte("\x0a\x05first"), &v)
	kept, copied := v.GetValue(), string(v.GetValue())
	err = errors.Join(err, k.Unmarshal([]byte("\x0a\x05again"), &v))
	fmt.Printf("%s, kept %s, copied %s, %v\n", v.GetValue(), kept, copied, err)
	// Output: again, kept again, copied first, <nil>
}

// A limit holds while inflating: what would be too large is never made.
func ExampleGzip() {
	gz := codec.Gzip()
	small, err := gz.Compress(nil, make([]byte, 1<<20))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = gz.Decompress(nil, small, 1000)
	fmt.Println(len(small) < 10000, errors.Is(err, codec.ErrTooLarge))
	// Output: true true
}

// Which encodings a client or server understands is a value, given to it with
// its WithCompressors.
func ExampleNewCompressors() {
	best, err := codec.GzipLevel(9)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(codec.NewCompressors(best).AcceptEncoding())
	fmt.Println(codec.NewCompressors().AcceptEncoding())
	// Output:
	// identity,gzip
	// identity
}
