package envelope

import (
	"bytes"

	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/parity"
	"google.golang.org/protobuf/proto"
)

// Codec is protobuf, where a *parity.Message stands for the bytes in it, which
// somebody has marshalled or nobody has to.
func Codec() codec.Codec { return opener{codec.Proto()} }

type opener struct{ codec.Codec }

func (o opener) Size(v any) int {
	if m, ok := v.(*parity.Message); ok {
		return len(m.GetValue())
	}
	return o.Codec.Size(v)
}

func (o opener) Append(dst []byte, v any) ([]byte, error) {
	if m, ok := v.(*parity.Message); ok {
		return append(dst, m.GetValue()...), nil
	}
	return o.Codec.Append(dst, v)
}

func (o opener) Unmarshal(data []byte, v any) error {
	m, ok := v.(*parity.Message)
	if !ok {
		return o.Codec.Unmarshal(data, v)
	}
	proto.Reset(m)
	m.Value = bytes.Clone(data)
	return nil
}
