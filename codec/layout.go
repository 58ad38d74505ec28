package codec

import (
	"reflect"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// layout is where a struct that protoc-gen-go made may have memory that can be filled
// again: bytes, a oneof with such, submessages with such. Immutable, but for spares.
type layout struct {
	rooms  []room    // at least one
	spares sync.Pool // of *spare: memory of such structs that wait for a message
	// mayLack: something in the message, or in one within, may be required, so that it
	// has to be looked for.
	mayLack bool
}

// room is one field of the struct.
type room struct {
	kind   roomKind
	index  int              // of the struct's field
	number protowire.Number // of the message's field; 0 for a oneof
	inner  *layout          // of a submessage
}

type roomKind int

const (
	bytesRoom roomKind = iota
	messageRoom
	oneofRoom
)

const (
	maxRooms = 8 // of a struct; its further fields are none
	maxDepth = 3 // of messages in messages
)

// keep puts into m, which is zero, what is in the room, in the struct v, and reports
// whether there is anything.
func (r *room) keep(v reflect.Value, m *memory) bool {
	field := v.Field(r.index)
	switch {
	case r.kind == bytesRoom:
		m.bytes = field.Bytes()
		if cap(m.bytes) == 0 {
			return false
		}
	case field.IsNil():
		return false
	case r.kind == messageRoom:
		m.message = field.Interface().(proto.Message)
	default:
		member := memberOf(field.Elem())
		if member == nil || !member.keep(field.Elem().Elem(), m) {
			return false
		}
		m.number, m.wrapper = member.number, field.Elem()
		return true
	}
	m.number = r.number
	return true
}

// fill puts content into m, and that into its place in the struct v.
func (r *room) fill(content []byte, m *memory, v reflect.Value) error {
	field := v.Field(r.index)
	switch r.kind {
	case bytesRoom:
		m.bytes = append(m.bytes[:0], content...)
		field.SetBytes(m.bytes)
		return nil
	case messageRoom:
		owner := reflect.ValueOf(m.message)
		field.Set(owner)
		return r.inner.refill(content, m.message, owner.Elem())
	default:
		field.Set(m.wrapper)
		return memberOf(m.wrapper).fill(content, m, m.wrapper.Elem())
	}
}

// memberOf returns the room in the struct that says which member of a oneof is set,
// nil if it is none.
func memberOf(wrapper reflect.Value) *room {
	if l := layoutOf(wrapper.Type()); l != nil && len(l.rooms) == 1 && !wrapper.IsNil() {
		return &l.rooms[0]
	}
	return nil
}

// layouts are those of types that were asked for.
var layouts sync.Map // reflect.Type to *layout

// layoutOf returns the layout of a pointer to a struct; nil if there is no room.
func layoutOf(t reflect.Type) *layout {
	if l, ok := layouts.Load(t); ok {
		return l.(*layout)
	}
	l := newLayout(t, maxDepth)
	layouts.Store(t, l)
	return l
}

func newLayout(t reflect.Type, depth int) *layout {
	if depth == 0 || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct || !isOpen(t.Elem()) {
		return nil
	}
	l := new(layout)
	for i := range t.Elem().NumField() {
		if r := newRoom(t.Elem().Field(i), depth); r.isRoom() && len(l.rooms) < maxRooms {
			r.index = i
			l.rooms = append(l.rooms, r)
		}
	}
	if len(l.rooms) == 0 {
		return nil
	}
	if m, ok := reflect.Zero(t).Interface().(proto.Message); ok {
		l.mayLack = mayLack(m.ProtoReflect().Descriptor(), make(map[protoreflect.FullName]bool))
	}
	return l
}

// mayLack reports whether a message may be without something that is required: a field
// of it, or of a message in it, or an extension, which is known only when it is there.
func mayLack(d protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if seen[d.FullName()] {
		return false
	}
	seen[d.FullName()] = true
	if d.RequiredNumbers().Len() > 0 || d.ExtensionRanges().Len() > 0 {
		return true
	}
	for i := range d.Fields().Len() {
		if inner := d.Fields().Get(i).Message(); inner != nil && mayLack(inner, seen) {
			return true
		}
	}
	return false
}

var (
	bytesType   = reflect.TypeFor[[]byte]()
	messageType = reflect.TypeFor[proto.Message]()
)

// newRoom returns the room that a field of a struct is; see isRoom for one that is none.
func newRoom(f reflect.StructField, depth int) room {
	if !f.IsExported() {
		return room{}
	}
	number := fieldNumber(f.Tag.Get("protobuf"))
	switch {
	case f.Tag.Get("protobuf_oneof") != "" && f.Type.Kind() == reflect.Interface:
		return room{kind: oneofRoom}
	case f.Type == bytesType:
		return room{kind: bytesRoom, number: number}
	case f.Type.Implements(messageType):
		return room{kind: messageRoom, number: number, inner: newLayout(f.Type, depth-1)}
	}
	return room{}
}

func (r *room) isRoom() bool {
	switch r.kind {
	case bytesRoom:
		return r.number > 0
	case messageRoom:
		return r.number > 0 && r.inner != nil
	default:
		return true
	}
}

// fieldNumber reads the struct tag of a singular field that is length-delimited:
// "bytes,2,opt,name=body,proto3". 0 if it is of another.
func fieldNumber(tag string) protowire.Number {
	parts := strings.Split(tag, ",")
	if len(parts) < 3 || parts[0] != "bytes" || parts[2] == "rep" {
		return 0
	}
	n, err := strconv.ParseInt(parts[1], 10, 32)
	if err != nil {
		return 0
	}
	return protowire.Number(n)
}

// isOpen reports whether the fields of a generated struct are its own business: in
// protobuf's Hybrid and Opaque API other fields say which of them are set.
func isOpen(t reflect.Type) bool {
	state, ok := t.FieldByName("state")
	if !ok {
		return true // the wrapper of a oneof
	}
	level, ok := state.Tag.Lookup("protogen")
	return !ok || level == "open.v1" // none: before the other APIs
}
