package codec

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// JSON returns the codec of Protocol Buffers in their JSON form, named "json".
// Messages are [proto.Message] values. As in the binary form a field that the
// receiver does not know is no error: the two ends may have different versions
// of a schema. The types in google.protobuf.Any must be linked into the program.
//
// Equal messages may yield different bytes, as protojson wants it: compare
// messages, not their JSON.
func JSON() Codec { return jsonCodec{} }

type jsonCodec struct{}

func (jsonCodec) Name() string { return "json" }

// Size is unknown: to find out is to marshal.
func (jsonCodec) Size(any) int { return 0 }

func (jsonCodec) Append(dst []byte, v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return dst, fmt.Errorf("codec json: %w", errNoMessage("marshal", v))
	}
	out, err := protojson.MarshalOptions{}.MarshalAppend(dst, m)
	if err != nil {
		return dst, fmt.Errorf("codec json: marshal %T: %w", v, err)
	}
	return out, nil
}

func (jsonCodec) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("codec json: %w", errNoMessage("unmarshal", v))
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, m); err != nil {
		return fmt.Errorf("codec json: unmarshal %T: %w", v, err)
	}
	return nil
}
