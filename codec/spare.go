package codec

import (
	"reflect"
	"sync"

	"google.golang.org/protobuf/proto"
)

// worthSharing is how much memory, in bytes, a message must have for that to be taken out of it
// while it waits, and how large a message must be to get such memory.
const worthSharing = 4 << 10

// spare is memory that was taken out of a message.
type spare struct{ kept [maxRooms]memory }

// emptySpares are those without memory.
var emptySpares = sync.Pool{New: func() any { return new(spare) }}

// reclaim empties m if there is enough memory in it, and keeps that for the next message or leaves it
// to the collector.
func reclaim(m proto.Message, isKept bool) {
	v := reflect.ValueOf(m)
	l := layoutOf(v.Type())
	if l == nil || v.IsNil() || l.capacity(v.Elem()) < worthSharing {
		return
	}
	if !isKept {
		proto.Reset(m)
		return
	}
	s := emptySpares.Get().(*spare)
	l.keep(v.Elem(), &s.kept)
	proto.Reset(m)
	l.spares.Put(s)
}

// takeSpare puts into kept, which is zero, memory that was in a message of the same type. It
// reports false if there is none, or if a message of size bytes is not worth it.
func (l *layout) takeSpare(size int, kept *[maxRooms]memory) bool {
	if size < worthSharing {
		return false
	}
	s, ok := l.spares.Get().(*spare)
	if !ok {
		return false
	}
	*kept, s.kept = s.kept, [maxRooms]memory{}
	emptySpares.Put(s)
	return true
}

// capacity is how many bytes there is room for in the bytes fields of the struct v and of those within.
func (l *layout) capacity(v reflect.Value) int {
	sum := 0
	for i := range l.rooms {
		sum += l.rooms[i].capacity(v)
	}
	return sum
}

// capacity is that of one room of the struct v.
func (r *room) capacity(v reflect.Value) int {
	field := v.Field(r.index)
	switch {
	case r.kind == bytesRoom:
		return field.Cap()
	case field.IsNil():
		return 0
	case r.kind == messageRoom:
		return r.inner.capacity(field.Elem())
	}
	member := memberOf(field.Elem())
	if member == nil {
		return 0
	}
	return member.capacity(field.Elem().Elem())
}
