package codec

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
)

// Proto returns the codec of Protocol Buffers, named "proto". Messages are
// [proto.Message] values. Those whose type also has the methods that
// vtprotobuf generates are handled by these, without reflection.
//
// What has been received is in new memory, and so may be kept. A message of 4 KiB or more that
// is received into again is emptied when that receive is started, so that values which wait hold
// no large messages; but not where a goroutine waits for it.
func Proto() Codec { return protoCodec{} }

// ProtoReusing is Proto for applications that receive into the same message again
// and again, as those with queues and reactors do, and keep nothing of what was in it.
// It replaces Proto in the options of a channel or server; on the wire it is the same.
// Like protobuf in C++, it uses the memory of the message again instead of allocating:
// bytes fields and submessages, three levels deep, also in a oneof. It does not do so
// for strings, repeated fields and maps, nor for messages of protobuf's Opaque and Hybrid
// API. A message with the ResetVT of vtprotobuf's feature pool is reset by that.
//
// What an application wants to keep, a submessage or bytes, it has to copy before it starts to
// receive into that message again; what it has put there itself is overwritten. A message keeps
// the memory of the largest that was in it, and a peer chooses that, up to the limit on received
// messages. If that is 4 KiB or more, the message loses it when the next receive into it is
// started, or the next request for a call: it is empty then, and what comes first, into whichever
// message of that type, is received into that memory. So a thousand requests that wait for calls,
// or idle streams, do not hold a thousand large messages. Where a goroutine waits, as in the sync
// style, its message keeps all.
func ProtoReusing() Codec { return protoCodec{isReusing: true} }

var (
	_ SizedCodec = protoCodec{}
	_ Reclaimer  = protoCodec{}
)

type protoCodec struct{ isReusing bool }

// vtMessage is what vtprotobuf's marshal, unmarshal and size features add.
type vtMessage interface {
	SizeVT() int
	// MarshalToSizedBufferVT fills the end of b and returns how many bytes.
	MarshalToSizedBufferVT(b []byte) (int, error)
	// UnmarshalVT merges, unlike proto.Unmarshal.
	UnmarshalVT(b []byte) error
}

func (protoCodec) Name() string { return "proto" }

func (protoCodec) Size(v any) int {
	switch m := v.(type) {
	case vtMessage:
		return m.SizeVT()
	case proto.Message:
		return proto.Size(m)
	}
	return 0
}

func (protoCodec) Append(dst []byte, v any) ([]byte, error) {
	return appendProto(dst, v, proto.MarshalOptions{})
}

// AppendSized implements SizedCodec: Size has left the sizes of all submessages
// in them.
func (protoCodec) AppendSized(dst []byte, v any) ([]byte, error) {
	return appendProto(dst, v, proto.MarshalOptions{UseCachedSize: true})
}

func appendProto(dst []byte, v any, how proto.MarshalOptions) ([]byte, error) {
	switch m := v.(type) {
	case vtMessage:
		return appendVT(dst, m)
	case proto.Message:
		out, err := how.MarshalAppend(dst, m)
		if err != nil {
			return dst, fmt.Errorf("codec proto: marshal %T: %w", v, err)
		}
		return out, nil
	}
	return dst, fmt.Errorf("codec proto: %w", errNoMessage("marshal", v))
}

func appendVT(dst []byte, m vtMessage) ([]byte, error) {
	size := m.SizeVT()
	out := slices.Grow(dst, size)
	out = out[:len(dst)+size]
	n, err := m.MarshalToSizedBufferVT(out[len(dst):])
	if err != nil {
		return dst, fmt.Errorf("codec proto: marshal %T: %w", m, err)
	}
	if n != size { // the message was changed meanwhile: the front is garbage
		return dst, fmt.Errorf("codec proto: marshal %T: %d bytes written, %d announced", m, n, size)
	}
	return out, nil
}

func (k protoCodec) Unmarshal(data []byte, v any) error {
	var err error
	switch m := v.(type) {
	case vtMessage:
		k.reset(m)
		err = m.UnmarshalVT(data)
	case proto.Message:
		err = k.unmarshal(data, m)
	default:
		return fmt.Errorf("codec proto: %w", errNoMessage("unmarshal", v))
	}
	if err != nil {
		return fmt.Errorf("codec proto: unmarshal %T: %w", v, err)
	}
	return nil
}

func (k protoCodec) unmarshal(data []byte, m proto.Message) error {
	if k.isReusing {
		return refill(data, m)
	}
	return proto.Unmarshal(data, m)
}

// Reclaim implements Reclaimer.
func (k protoCodec) Reclaim(v any) {
	if _, ok := v.(vtMessage); ok { // vtprotobuf's messages have pools of their own
		return
	}
	if m, ok := v.(proto.Message); ok {
		reclaim(m, k.isReusing)
	}
}

// reset empties a message, which UnmarshalVT does not.
func (k protoCodec) reset(m vtMessage) {
	if p, ok := m.(interface{ ResetVT() }); ok && k.isReusing {
		p.ResetVT()
		return
	}
	if r, ok := m.(interface{ Reset() }); ok {
		r.Reset()
	}
}

// errNoMessage is the answer to a value of the wrong type, most often a struct
// where its pointer was meant.
func errNoMessage(verb string, v any) error {
	return fmt.Errorf("cannot %s %T: not a proto.Message (generated types are, by pointer)", verb, v)
}
