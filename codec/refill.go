package codec

import (
	"reflect"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// refill is proto.Unmarshal into the memory of what was in m, where its layout has
// room for such. All else, and all of a message that is not as expected, is left to
// protobuf-go.
func refill(data []byte, m proto.Message) error {
	v := reflect.ValueOf(m)
	l := layoutOf(v.Type())
	if l == nil || v.IsNil() {
		return proto.Unmarshal(data, m)
	}
	if err := l.refill(data, m, v.Elem()); err != nil || !l.mayLack {
		return err
	}
	return proto.CheckInitialized(m)
}

// memory is what was in a room.
type memory struct {
	number  protowire.Number // of the message's field; 0: nothing was
	filled  bool
	bytes   []byte
	message proto.Message
	wrapper reflect.Value // a pointer, if bytes or message are in a oneof
}

// refill replaces what is in m, whose struct is v. Each room is filled once; where its
// field comes again, the rest is merged, as the wire format has it (protobuf.dev,
// Encoding, Last One Wins), so that a peer cannot make this more than one pass.
func (l *layout) refill(data []byte, m proto.Message, v reflect.Value) error {
	var kept [maxRooms]memory
	isEmpty := !l.keep(v, &kept)
	proto.Reset(m)
	if isEmpty && !l.takeSpare(len(data), &kept) {
		return merge(data, m)
	}
	for end := 0; end < len(data); {
		number, wire, tag := protowire.ConsumeTag(data[end:])
		if tag < 0 {
			break
		}
		size := protowire.ConsumeFieldValue(number, wire, data[end+tag:])
		if size < 0 {
			break
		}
		i := find(kept[:len(l.rooms)], number, wire)
		if i < 0 {
			end += tag + size
			continue
		}
		if kept[i].filled {
			break
		}
		if err := merge(data[:end], m); err != nil {
			return err
		}
		content, _ := protowire.ConsumeBytes(data[end+tag:])
		if err := l.rooms[i].fill(content, &kept[i], v); err != nil {
			return err
		}
		kept[i].filled = true
		data, end = data[end+tag+size:], 0
	}
	return merge(data, m)
}

// keep puts what is in the rooms of the struct v into kept, which is zero, and reports whether there
// is anything.
func (l *layout) keep(v reflect.Value, kept *[maxRooms]memory) bool {
	isAny := false
	for i := range l.rooms {
		if l.rooms[i].keep(v, &kept[i]) {
			isAny = true
		}
	}
	return isAny
}

// merge leaves fields to protobuf-go.
func merge(data []byte, m proto.Message) error {
	if len(data) == 0 {
		return nil
	}
	return proto.UnmarshalOptions{Merge: true, AllowPartial: true}.Unmarshal(data, m)
}

// find returns which memory a field on the wire is for, or -1.
func find(kept []memory, number protowire.Number, wire protowire.Type) int {
	if wire != protowire.BytesType {
		return -1
	}
	for i := range kept {
		if kept[i].number == number {
			return i
		}
	}
	return -1
}
