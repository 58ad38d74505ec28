package codec

import "fmt"

// Bytes returns the codec that passes messages through as they are, for callers
// with a serialization of their own. Messages to send are []byte or *[]byte;
// messages to receive are *[]byte, whose capacity is used again if it suffices.
//
// Its name "bytes" becomes the content-subtype, application/grpc+bytes, which a
// server that does not know it refuses with UNIMPLEMENTED. For messages in the form
// of another codec, marshalled by the application or passed on, use [BytesNamed].
func Bytes() Codec { return bytesCodec{"bytes"} }

// BytesNamed is Bytes under the name of another codec, in whose form the bytes are:
// "proto", or "" for application/grpc without a subtype, which servers take for
// protobuf. A proxy uses the ContentSubtype of the call that it passes on.
func BytesNamed(subtype string) Codec { return bytesCodec{subtype} }

type bytesCodec struct{ name string }

func (c bytesCodec) Name() string { return c.name }

func (bytesCodec) Size(v any) int {
	b, _ := bytesOf(v)
	return len(b)
}

func (bytesCodec) Append(dst []byte, v any) ([]byte, error) {
	b, ok := bytesOf(v)
	if !ok {
		return dst, fmt.Errorf("codec bytes: cannot marshal %T: want []byte or a non-nil *[]byte", v)
	}
	return append(dst, b...), nil
}

func (bytesCodec) Unmarshal(data []byte, v any) error {
	p, _ := v.(*[]byte)
	if p == nil {
		return fmt.Errorf("codec bytes: cannot unmarshal into %T: want a non-nil *[]byte", v)
	}
	*p = append((*p)[:0], data...)
	return nil
}

func bytesOf(v any) ([]byte, bool) {
	switch b := v.(type) {
	case []byte:
		return b, true
	case *[]byte:
		if b != nil {
			return *b, true
		}
	}
	return nil, false
}
