package codec_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/gen/refillpb"
)

// fullParcel has something in every field, except one of the oneof.
func fullParcel(size int) *refillpb.Parcel {
	fill := func(b byte) []byte { return bytes.Repeat([]byte{b}, size) }
	label := func(b byte) *refillpb.Label {
		return &refillpb.Label{Color: proto.Int32(int32(b)), Ink: fill(b), Plain: &refillpb.Plain{Text: proto.String("plain")}}
	}
	p := &refillpb.Parcel{
		Id: proto.Int64(7), Body: fill('b'), Stamp: fill('s'), Note: proto.String("note"), Label: label('l'),
		Parts: [][]byte{fill('p'), nil}, Marks: map[string][]byte{"m": fill('m')},
		Content: &refillpb.Parcel_Chunk{Chunk: fill('c')}, Plain: &refillpb.Plain{Text: proto.String("text")},
		Crate: &refillpb.Crate{Wood: fill('w')}, Labels: []*refillpb.Label{label('x'), label('y')},
	}
	p.Inside = &refillpb.Parcel{Body: fill('i'), Content: &refillpb.Parcel_Sender{Sender: label('z')}}
	proto.SetExtension(p, refillpb.E_Addition, fill('a'))
	return p
}

// reused has a message of each generated kind, into which Unmarshal goes again and again.
func reused() []proto.Message {
	return []proto.Message{
		new(refillpb.Parcel), new(refillpb.Label), new(refillpb.Plain), new(refillpb.Crate), new(refillpb.Strict),
		new(refillpb.Lax), new(refillpb.Many), new(refillpb.Opaque), new(refillpb.Hybrid), new(structpb.Value),
	}
}

// dynamic is a message that is not generated. It is not fuzzed: dynamicpb panics on a map entry
// whose key has another wire type.
func dynamic() proto.Message {
	return dynamicpb.NewMessage((*refillpb.Parcel)(nil).ProtoReflect().Descriptor())
}

// checkRefill compares the result with that of protobuf-go; m may have anything in it before.
func checkRefill(t *testing.T, m proto.Message, data []byte) {
	t.Helper()
	want := m.ProtoReflect().New().Interface()
	wantErr := proto.Unmarshal(data, want)
	lent := bytes.Clone(data)
	err := codec.ProtoReusing().Unmarshal(lent, m)
	clear(lent) // the message must not alias it
	if (err == nil) != (wantErr == nil) {
		t.Errorf("%T of %x: %v, protobuf-go: %v", m, data, err, wantErr)
	}
	if err == nil && !same(t, m, want) {
		t.Errorf("%T of %x: %v, want %v", m, data, m, want)
	}
}

// same is proto.Equal, except that a NaN equals itself.
func same(t *testing.T, a, b proto.Message) bool {
	how := proto.MarshalOptions{Deterministic: true}
	wireA, err := how.Marshal(a)
	wireB, errB := how.Marshal(b)
	if err != nil || errB != nil {
		t.Fatal(err, errB)
	}
	return bytes.Equal(wireA, wireB)
}

func wireOf(m proto.Message) []byte {
	b, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// contents are messages to be decoded one after the other.
func contents() map[string][]byte {
	body := func(s string) []byte { return protowire.AppendString([]byte{2<<3 | 2}, s) }
	deep := bytes.Repeat([]byte{11<<3 | 2, 0x7f}, 20_000) // nested deeper than protobuf-go takes
	return map[string][]byte{
		"nothing":            nil,
		"everything":         wireOf(fullParcel(100)),
		"everything, less":   wireOf(fullParcel(3)),
		"everything, more":   wireOf(fullParcel(5000)),
		"empty bytes":        body(""),
		"bytes twice":        append(body("first"), body("second")...),
		"another member":     wireOf(&refillpb.Parcel{Content: &refillpb.Parcel_Word{Word: "w"}}),
		"a message member":   wireOf(&refillpb.Parcel{Content: &refillpb.Parcel_Sender{Sender: &refillpb.Label{Ink: []byte("i")}}}),
		"members in turn":    []byte("\x42\x01c\x52\x01w\x42\x01d\x4a\x03\x12\x01i"),
		"a submessage twice": []byte("\x2a\x03\x12\x01i\x08\x07\x2a\x02\x08\x05"),
		"reversed":           append(body("b"), 1<<3, 7),
		"bytes as a number":  {2 << 3, 7},
		"a group":            []byte("\x6b\x0a\x01w\x6c"),
		"a group of another": []byte("\x13\x0a\x01w\x14"),
		"unknown":            append([]byte{50<<3&0x7f | 0x80, 3, 7}, body("b")...),
		"cut short":          body("body")[:4],
		"cut in a message":   []byte("\x2a\x03\x12\x05i"),
		"cut tag":            append(body("b"), 0x80),
		"field zero":         append(body("b"), 2),
		"text not UTF-8":     []byte("\x12\x01b\x22\x01\xff"),
		"too deep":           deep,
		"required":           []byte("\x12\x01b\x08\x01"),
		"not all required":   []byte("\x12\x01b\x08\x01\x1a\x03\x12\x01b"),
		"lacks in a list":    []byte("\x0a\x01b\x12\x03\x12\x01b"),
		"many":               []byte("\x0a\x01a\x12\x01b\x1a\x01c\x22\x01d\x2a\x01e\x32\x01f\x3a\x01g\x42\x01h\x4a\x01i\x52\x01j"),
	}
}

// Whatever was in a message before, it becomes what protobuf-go makes of the same bytes.
func TestRefillIsUnmarshal(t *testing.T) {
	for before, first := range contents() {
		for after, second := range contents() {
			t.Run(before+", then "+after, func(t *testing.T) {
				for _, m := range append(reused(), dynamic()) {
					checkRefill(t, m, first)
					checkRefill(t, m, second)
					checkRefill(t, m, second)
				}
			})
		}
	}
}

func FuzzRefill(f *testing.F) {
	all := contents()
	for _, data := range all {
		if len(data) < 1<<10 {
			f.Add(all["everything"], data)
			f.Add(data, all["everything, less"])
		}
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, m := range reused() {
			checkRefill(t, m, first)
			checkRefill(t, m, second)
		}
	})
}

// Memory that can be filled again is: bytes and submessages keep their addresses.
func TestRefillUsesMemoryAgain(t *testing.T) {
	c, m := codec.ProtoReusing(), new(refillpb.Parcel)
	addresses := func() []string {
		sender := m.GetInside().GetSender()
		return strings.Fields(fmt.Sprintf("%p %p %p %p %p %p %p %p",
			m.GetBody(), m.GetStamp(), m.GetLabel(), m.GetLabel().GetInk(), m.GetChunk(), m.GetInside(), sender, sender.GetInk()))
	}
	for _, size := range []int{100, 100, 60} {
		before := addresses()
		if err := c.Unmarshal(wireOf(fullParcel(size)), m); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(m, fullParcel(size)) {
			t.Fatalf("got %v", m)
		}
		if after := addresses(); m.GetBody() != nil && before[0] != "0x0" && fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("%d bytes: memory was at %v, is at %v", size, before, after)
		}
	}
}

// Memory that a message no longer uses is not kept anywhere.
func TestRefillForgets(t *testing.T) {
	c, m := codec.ProtoReusing(), new(refillpb.Parcel)
	unmarshal := func(data string) {
		t.Helper()
		if err := c.Unmarshal([]byte(data), m); err != nil {
			t.Fatal(err)
		}
	}
	unmarshal("\x12\x05first")
	kept := m.GetBody()
	unmarshal("\x08\x01")
	unmarshal("\x12\x05other")
	if string(kept) != "first" || string(m.GetBody()) != "other" {
		t.Errorf("kept %q, got %q", kept, m.GetBody())
	}
}

func BenchmarkRefill(b *testing.B) {
	for _, size := range []int{32, 1 << 10, 64 << 10} {
		data := wireOf(&refillpb.Parcel{Label: &refillpb.Label{Ink: bytes.Repeat([]byte{'i'}, size)}})
		for name, c := range map[string]codec.Codec{"allocating": codec.Proto(), "reusing": codec.ProtoReusing()} {
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				m := new(refillpb.Parcel)
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					if err := c.Unmarshal(data, m); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
