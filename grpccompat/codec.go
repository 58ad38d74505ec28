package grpccompat

import (
	"slices"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/cqrpc/cqrpc/codec"
)

// marshaler is what grpc-go's first two generations of codecs have in common.
type marshaler interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

// foreign makes such a codec one of ours. It copies in both directions, because a
// codec of grpc-go may keep what it returns and what it is given.
type foreign struct {
	marshaler
	name string
}

var _ codec.Codec = foreign{}

func (f foreign) Name() string { return f.name }

// Size is unknown: to find out is to marshal.
func (foreign) Size(any) int { return 0 }

func (f foreign) Append(dst []byte, v any) ([]byte, error) {
	data, err := f.Marshal(v)
	if err != nil {
		return dst, err
	}
	return append(dst, data...), nil
}

func (f foreign) Unmarshal(data []byte, v any) error {
	return f.marshaler.Unmarshal(slices.Clone(data), v)
}

// sliced is a codec of the third generation, whose messages are in pieces, as one of the
// first two.
type sliced struct{ encoding.CodecV2 }

func (s sliced) Marshal(v any) ([]byte, error) {
	pieces, err := s.CodecV2.Marshal(v)
	if err != nil {
		return nil, err
	}
	defer pieces.Free()
	return pieces.Materialize(), nil
}

func (s sliced) Unmarshal(data []byte, v any) error {
	return s.CodecV2.Unmarshal(mem.BufferSlice{mem.SliceBuffer(data)}, v)
}

// registered finds a codec in grpc-go's registry.
func registered(name string) (marshaler, bool) {
	if k := encoding.GetCodec(name); k != nil {
		return k, true
	}
	if k := encoding.GetCodecV2(name); k != nil {
		return sliced{k}, true
	}
	return nil, false
}
