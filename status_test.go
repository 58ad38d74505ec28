package cqrpc_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
)

func TestStatusString(t *testing.T) {
	for _, test := range []struct {
		status cqrpc.Status
		want   string
	}{
		{cqrpc.Status{}, "OK"},
		{cqrpc.Status{Code: cqrpc.CodeAborted}, "ABORTED"},
		{cqrpc.Status{Code: cqrpc.CodeNotFound, Message: "no such user"}, "NOT_FOUND: no such user"},
		{cqrpc.Status{Code: cqrpc.CodeNotFound, Message: "x", Details: make([]*anypb.Any, 1)}, "NOT_FOUND: x (1 detail)"},
		{cqrpc.Status{Code: cqrpc.CodeInternal, Details: make([]*anypb.Any, 2)}, "INTERNAL (2 details)"},
	} {
		if got := test.status.String(); got != test.want {
			t.Errorf("String() = %q, want %q", got, test.want)
		}
	}
}

func TestWithDetailsLeavesTheReceiverAlone(t *testing.T) {
	base := cqrpc.Status{Code: cqrpc.CodeAborted, Details: make([]*anypb.Any, 0, 8)}
	one := withDetails(t, base, wrapperspb.String("one"))
	two := withDetails(t, base, wrapperspb.String("two"), durationpb.New(3))
	if len(base.Details) != 0 || len(one.Details) != 1 || len(two.Details) != 2 {
		t.Fatalf("details: base %d, one %d, two %d; want 0, 1, 2", len(base.Details), len(one.Details), len(two.Details))
	}
	got := new(wrapperspb.StringValue)
	if err := one.Details[0].UnmarshalTo(got); err != nil || got.Value != "one" {
		t.Errorf("first status's detail = %q, %v; the second overwrote it", got.Value, err)
	}
}

func TestWithDetailsRefuses(t *testing.T) {
	if _, err := (cqrpc.Status{}).WithDetails(wrapperspb.String("x")); err == nil {
		t.Error("an OK status took a detail")
	}
	bad := wrapperspb.String("not UTF-8: \xff")
	s, err := cqrpc.Status{Code: cqrpc.CodeAborted}.WithDetails(wrapperspb.String("good"), bad)
	if err == nil || !strings.Contains(err.Error(), "detail 1") {
		t.Errorf("error = %v, want one that names detail 1", err)
	}
	if len(s.Details) != 0 {
		t.Errorf("the failed call kept %d details", len(s.Details))
	}
}

func TestDetailsRoundTrip(t *testing.T) {
	for _, test := range []struct {
		name   string
		status cqrpc.Status
	}{
		{"OK", cqrpc.Status{}},
		{"code", cqrpc.Status{Code: cqrpc.CodeUnauthenticated}},
		{"message", cqrpc.Status{Code: cqrpc.CodeUnknown, Message: "été % 😀"}},
		{"details", withDetails(t, cqrpc.Status{Code: cqrpc.CodeAborted, Message: "busy"},
			durationpb.New(1e9), wrapperspb.Bytes([]byte{0, 0xff}), wrapperspb.String(""))},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, err := test.status.AppendDetails([]byte("kept"))
			if err != nil {
				t.Fatal(err)
			}
			b, ok := bytes.CutPrefix(b, []byte("kept"))
			if !ok {
				t.Fatal("AppendDetails overwrote what was there")
			}
			got, err := cqrpc.ParseDetails(b)
			if err != nil {
				t.Fatal(err)
			}
			clear(b) // the result must not alias it
			wantSameStatus(t, got, test.status)
		})
	}
}

func TestAppendDetailsRepairsTheMessage(t *testing.T) {
	b, err := cqrpc.Status{Code: cqrpc.CodeUnknown, Message: "bad \xff\xfe byte"}.AppendDetails(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := cqrpc.ParseDetails(b)
	if err != nil {
		t.Fatal(err)
	}
	if want := "bad \uFFFD byte"; got.Message != want {
		t.Errorf("message = %q, want %q", got.Message, want)
	}
}

func TestAppendDetailsFailsWhole(t *testing.T) {
	for name, bad := range map[string]*anypb.Any{"nil": nil, "type URL not UTF-8": {TypeUrl: "\xff"}} {
		s := cqrpc.Status{Code: cqrpc.CodeInternal, Message: "m", Details: []*anypb.Any{bad}}
		if b, err := s.AppendDetails([]byte("kept")); err == nil || string(b) != "kept" {
			t.Errorf("%s: AppendDetails = %q, %v; want kept and an error", name, b, err)
		}
	}
}

func TestParseDetails(t *testing.T) {
	for _, test := range []struct {
		name string
		in   []byte
		want cqrpc.Status
	}{
		{"empty", nil, cqrpc.Status{}},
		{"code beyond the last", []byte{0x08, 17}, cqrpc.Status{Code: cqrpc.CodeUnknown}},
		{"negative code", protowire.AppendVarint([]byte{0x08}, ^uint64(0)), cqrpc.Status{Code: cqrpc.CodeUnknown}},
		{"last code wins", []byte{0x08, 5, 0x08, 13}, cqrpc.Status{Code: cqrpc.CodeInternal}},
		{"last message wins", []byte("\x12\x01a\x12\x02bc"), cqrpc.Status{Message: "bc"}},
		{"unknown field", []byte("\x7a\x03abc\x08\x05"), cqrpc.Status{Code: cqrpc.CodeNotFound}},
		{"unknown group", []byte{0x23, 0x08, 1, 0x24, 0x08, 5}, cqrpc.Status{Code: cqrpc.CodeNotFound}},
		{"code of another wire type", []byte("\x0a\x01\x05"), cqrpc.Status{}},
		{"empty detail", []byte{0x1a, 0}, cqrpc.Status{Details: []*anypb.Any{{}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := cqrpc.ParseDetails(test.in)
			if err != nil {
				t.Fatal(err)
			}
			wantSameStatus(t, got, test.want)
		})
	}
}

func TestParseDetailsRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"tag without a value":      "\x08",
		"field number zero":        "\x00\x01",
		"message longer than said": "\x12\x05ab",
		"message not UTF-8":        "\x12\x01\xff",
		"group without an end":     "\x23\x08\x01",
		"end without a group":      "\x24",
		"endless varint":           "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"detail cut short":         "\x1a\x02\x0a\x05",
	} {
		if s, err := cqrpc.ParseDetails([]byte(in)); err == nil {
			t.Errorf("%s: parsed as %v", name, s)
		} else if s.Code != 0 || s.Message != "" || s.Details != nil {
			t.Errorf("%s: an error came with %v", name, s)
		}
	}
}

// FuzzParseDetails holds our parser against protobuf's own on a descriptor of
// google.rpc.Status built here, and registered nowhere.
func FuzzParseDetails(f *testing.F) {
	for _, s := range []cqrpc.Status{
		{},
		{Code: cqrpc.CodeNotFound, Message: "no such user"},
		{Code: cqrpc.CodeAborted, Details: []*anypb.Any{{TypeUrl: "type.googleapis.com/a.B", Value: []byte{8, 1}}, {}}},
	} {
		b, err := s.AppendDetails(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("\x23\x08\x01\x24\x08\x05"))
	f.Add([]byte("\x12\x01\xff"))
	desc := rpcStatusDescriptor(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := cqrpc.ParseDetails(b)
		want := dynamicpb.NewMessage(desc)
		wantErr := proto.Unmarshal(b, want)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("ParseDetails: %v; protobuf: %v", err, wantErr)
		}
		if err != nil {
			return
		}
		wantSameStatus(t, got, statusOfMessage(want))
		again, err := got.AppendDetails(nil)
		if err != nil {
			t.Fatalf("a parsed status does not marshal: %v", err)
		}
		parsed, err := cqrpc.ParseDetails(again)
		if err != nil {
			t.Fatalf("our own output does not parse: %v", err)
		}
		wantSameStatus(t, parsed, got)
	})
}

func FuzzAppendDetails(f *testing.F) {
	f.Add(uint32(5), "no such user", "type.googleapis.com/a.B", []byte{1})
	f.Add(uint32(1<<31), "\xff", "", []byte(nil))
	desc := rpcStatusDescriptor(f)
	f.Fuzz(func(t *testing.T, code uint32, message, url string, value []byte) {
		s := cqrpc.Status{Code: cqrpc.Code(code), Message: message, Details: []*anypb.Any{{TypeUrl: url, Value: value}}}
		b, err := s.AppendDetails(nil)
		if (err == nil) != utf8.ValidString(url) {
			t.Fatalf("type URL %q: %v", url, err)
		}
		if err != nil {
			return
		}
		if err := proto.Unmarshal(b, dynamicpb.NewMessage(desc)); err != nil {
			t.Errorf("protobuf does not read it: %v", err)
		}
	})
}

func BenchmarkParseDetails(b *testing.B) {
	s := withDetails(b, cqrpc.Status{Code: cqrpc.CodeAborted, Message: "busy"}, durationpb.New(1e9))
	wire, err := s.AppendDetails(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cqrpc.ParseDetails(wire); err != nil {
			b.Fatal(err)
		}
	}
}

func withDetails(t testing.TB, s cqrpc.Status, msgs ...proto.Message) cqrpc.Status {
	t.Helper()
	s, err := s.WithDetails(msgs...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantSameStatus(t *testing.T, got, want cqrpc.Status) {
	t.Helper()
	if got.Code != want.Code || got.Message != want.Message {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(got.Details) != len(want.Details) {
		t.Fatalf("got %d details, want %d", len(got.Details), len(want.Details))
	}
	for i, d := range got.Details {
		if !proto.Equal(d, want.Details[i]) {
			t.Errorf("detail %d = %v, want %v", i, d, want.Details[i])
		}
	}
}

// statusOfMessage reads a dynamic google.rpc.Status.
func statusOfMessage(m *dynamicpb.Message) cqrpc.Status {
	fields := m.Descriptor().Fields()
	s := cqrpc.Status{
		Code:    cqrpc.Code(m.Get(fields.ByNumber(1)).Int()),
		Message: m.Get(fields.ByNumber(2)).String(),
	}
	if s.Code > cqrpc.CodeUnauthenticated {
		s.Code = cqrpc.CodeUnknown
	}
	details := m.Get(fields.ByNumber(3)).List()
	for i := range details.Len() {
		b, err := proto.Marshal(details.Get(i).Message().Interface())
		if err != nil {
			panic(err) // it was unmarshaled a moment ago
		}
		d := new(anypb.Any)
		if err := proto.Unmarshal(b, d); err != nil {
			panic(err)
		}
		s.Details = append(s.Details, d)
	}
	return s
}

// rpcStatusDescriptor builds google.rpc.Status from its published field list.
func rpcStatusDescriptor(t testing.TB) protoreflect.MessageDescriptor {
	t.Helper()
	field := func(name string, n int32, typ descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{
			Name:   proto.String(name),
			Number: proto.Int32(n),
			Type:   typ.Enum(),
			Label:  descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
	}
	details := field("details", 3, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE)
	details.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	details.TypeName = proto.String(".google.protobuf.Any")
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name:       proto.String("cqrpc/test/status.proto"),
		Package:    proto.String("cqrpc.test"),
		Syntax:     proto.String("proto3"),
		Dependency: []string{"google/protobuf/any.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("Status"),
			Field: []*descriptorpb.FieldDescriptorProto{
				field("code", 1, descriptorpb.FieldDescriptorProto_TYPE_INT32),
				field("message", 2, descriptorpb.FieldDescriptorProto_TYPE_STRING),
				details,
			},
		}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file.Messages().Get(0)
}
