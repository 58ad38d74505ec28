package codec_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc/codec"
)

func TestProtoRoundTrip(t *testing.T) {
	c := codec.Proto()
	if c.Name() != "proto" {
		t.Errorf("Name() = %q", c.Name())
	}
	for _, test := range []struct {
		name string
		sent proto.Message
		got  proto.Message
	}{
		{"empty", &wrapperspb.StringValue{}, &wrapperspb.StringValue{}},
		{"string", wrapperspb.String("hello"), &wrapperspb.StringValue{}},
		{"nested", nestedList(50), &structpb.ListValue{}},
		{"into a used message", wrapperspb.String(""), wrapperspb.String("old content")},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mustAppend(t, c, []byte("kept"), test.sent)
			b, ok := bytes.CutPrefix(b, []byte("kept"))
			if !ok {
				t.Fatal("Append overwrote what was there")
			}
			if size := c.Size(test.sent); size < len(b) {
				t.Errorf("Size = %d, but Append added %d", size, len(b))
			}
			if err := c.Unmarshal(b, test.got); err != nil {
				t.Fatal(err)
			}
			clear(b) // the message must not alias it
			if !proto.Equal(test.got, test.sent) {
				t.Errorf("got %v, want %v", test.got, test.sent)
			}
		})
	}
}

func TestProtoAppendStaysInTheBuffer(t *testing.T) {
	c, m := codec.Proto(), nestedList(20)
	buf := make([]byte, 0, c.Size(m))
	b := mustAppend(t, c, buf, m)
	if &b[0] != &buf[:1][0] {
		t.Error("Append left a buffer of the announced size")
	}
}

func TestProtoRefusesOtherTypes(t *testing.T) {
	c := codec.Proto()
	for _, v := range []any{nil, "text", 42, struct{}{}, []byte("raw")} {
		b, err := c.Append([]byte("kept"), v)
		if err == nil || !strings.Contains(err.Error(), "proto.Message") || string(b) != "kept" {
			t.Errorf("Append(%T) = %q, %v; want kept and an error that says what is needed", v, b, err)
		}
		if err := c.Unmarshal(nil, v); err == nil || !strings.Contains(err.Error(), "proto.Message") {
			t.Errorf("Unmarshal(%T) = %v; want an error that says what is needed", v, err)
		}
		if size := c.Size(v); size != 0 {
			t.Errorf("Size(%T) = %d, want 0 for unknown", v, size)
		}
	}
}

func TestProtoReportsBadMessages(t *testing.T) {
	c := codec.Proto()
	for name, m := range map[string]proto.Message{
		"string not UTF-8":       wrapperspb.String("\xff"),
		"required field missing": &descriptorpb.UninterpretedOption_NamePart{},
	} {
		if b, err := c.Append([]byte("kept"), m); err == nil || string(b) != "kept" {
			t.Errorf("%s: Append = %q, %v; want kept and an error", name, b, err)
		}
	}
	for name, in := range map[string]string{"cut short": "\x0a\x05ab", "string not UTF-8": "\x0a\x01\xff"} {
		err := c.Unmarshal([]byte(in), new(wrapperspb.StringValue))
		if err == nil || !strings.Contains(err.Error(), "StringValue") {
			t.Errorf("%s: Unmarshal = %v; want an error that names the type", name, err)
		}
	}
}

func TestProtoIsSafeForConcurrentUse(t *testing.T) {
	c, m := codec.Proto(), nestedList(20)
	want := mustAppend(t, c, nil, m)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				got, err := c.Append(nil, m)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("Append = %d bytes, %v; want the %d bytes of a lone call", len(got), err, len(want))
				}
				if err := c.Unmarshal(got, new(structpb.ListValue)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// vtText is a message as vtprotobuf would generate it, and no proto.Message,
// so that nothing but these methods can have handled it.
type vtText struct {
	text string
	err  error
	lie  int // added to the announced size
}

func (v *vtText) Reset()      { *v = vtText{} }
func (v *vtText) SizeVT() int { return len(v.text) + v.lie }

func (v *vtText) MarshalToSizedBufferVT(b []byte) (int, error) {
	return copy(b[len(b)-len(v.text):], v.text), v.err
}

func (v *vtText) UnmarshalVT(b []byte) error {
	v.text += string(b) // merges, as the generated code does
	if len(b) == 0 {
		return errVT
	}
	return nil
}

var errVT = errors.New("vt says no")

func TestProtoUsesVTMethods(t *testing.T) {
	c := codec.Proto()
	sent := &vtText{text: "fast"}
	if size := c.Size(sent); size != 4 {
		t.Errorf("Size = %d, want 4", size)
	}
	if b := mustAppend(t, c, []byte("kept "), sent); string(b) != "kept fast" {
		t.Errorf("Append = %q, want %q", b, "kept fast")
	}
	got := &vtText{text: "old"}
	if err := c.Unmarshal([]byte("fast"), got); err != nil || got.text != "fast" {
		t.Errorf("Unmarshal gave %q, %v; want fast without the old content", got.text, err)
	}
}

// vtPooled has the methods of vtprotobuf's feature pool, too.
type vtPooled struct {
	vtText
	body []byte
}

func (v *vtPooled) Reset()   { *v = vtPooled{} }
func (v *vtPooled) ResetVT() { *v = vtPooled{body: v.body[:0]} }

func (v *vtPooled) UnmarshalVT(b []byte) error {
	v.body = append(v.body, b...)
	return nil
}

// Memory is used again only with ProtoReusing: others may have kept what is in it.
func TestProtoReusing(t *testing.T) {
	for _, test := range []struct {
		c    codec.Codec
		kept string // after the second message
	}{{codec.Proto(), "first"}, {codec.ProtoReusing(), "again"}} {
		m := new(vtPooled)
		err1 := test.c.Unmarshal([]byte("first"), m)
		kept := m.body
		err2 := test.c.Unmarshal([]byte("again"), m)
		if err1 != nil || err2 != nil || string(m.body) != "again" || string(kept) != test.kept {
			t.Errorf("%#v: got %q, and what was there is %q, want %q; %v, %v", test.c, m.body, kept, test.kept, err1, err2)
		}
	}
	plain := &vtText{text: "old"} // without the feature
	if err := codec.ProtoReusing().Unmarshal([]byte("new"), plain); err != nil || plain.text != "new" {
		t.Errorf("got %q, %v", plain.text, err)
	}
	if name := codec.ProtoReusing().Name(); name != "proto" {
		t.Errorf("named %q", name)
	}
}

func TestProtoReportsVTErrors(t *testing.T) {
	c := codec.Proto()
	if b, err := c.Append([]byte("kept"), &vtText{text: "x", err: errVT}); !errors.Is(err, errVT) || string(b) != "kept" {
		t.Errorf("Append = %q, %v; want kept and %v", b, err, errVT)
	}
	if b, err := c.Append([]byte("kept"), &vtText{text: "x", lie: 3}); err == nil || string(b) != "kept" {
		t.Errorf("Append of a message shorter than announced = %q, %v; want kept and an error", b, err)
	}
	if err := c.Unmarshal(nil, new(vtText)); !errors.Is(err, errVT) {
		t.Errorf("Unmarshal = %v, want %v", err, errVT)
	}
}

func FuzzProtoUnmarshal(f *testing.F) {
	f.Add([]byte("\x0a\x05hello"))
	f.Add([]byte("\x0a\x05ab"))
	f.Add([]byte{0x1a, 0x02, 0x08, 0x01})
	c := codec.Proto()
	f.Fuzz(func(t *testing.T, data []byte) {
		m := new(structpb.ListValue)
		if c.Unmarshal(data, m) != nil {
			return
		}
		again := new(structpb.ListValue)
		if err := c.Unmarshal(mustAppend(t, c, nil, m), again); err != nil {
			t.Fatalf("our own output does not parse: %v", err)
		}
		// Not proto.Equal, for which a NaN differs from itself.
		if a, b := mustAppend(t, c, nil, m), mustAppend(t, c, nil, again); c.Size(m) != len(a) || len(a) != len(b) {
			t.Errorf("sizes: announced %d, first %d, second %d", c.Size(m), len(a), len(b))
		}
	})
}

func BenchmarkProtoAppend(b *testing.B) {
	c := codec.Proto()
	for name, m := range map[string]proto.Message{"small": wrapperspb.String("hello"), "nested": nestedList(50)} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, c.Size(m))
			b.ReportAllocs()
			b.SetBytes(int64(cap(buf)))
			for b.Loop() {
				if _, err := c.Append(buf[:0], m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkProtoUnmarshal(b *testing.B) {
	c := codec.Proto()
	data := mustAppend(b, c, nil, wrapperspb.Int64(7))
	m := new(wrapperspb.Int64Value)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Unmarshal(data, m); err != nil {
			b.Fatal(err)
		}
	}
}

func mustAppend(t testing.TB, c codec.Codec, dst []byte, v any) []byte {
	t.Helper()
	b, err := c.Append(dst, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func nestedList(n int) *structpb.ListValue {
	l := new(structpb.ListValue)
	for i := range n {
		l.Values = append(l.Values, structpb.NewListValue(&structpb.ListValue{
			Values: []*structpb.Value{structpb.NewNumberValue(float64(i)), structpb.NewStringValue("item")},
		}))
	}
	return l
}
