package codec_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/typepb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc/codec"
)

func TestJSONAppendsWhatUnmarshalReads(t *testing.T) {
	packed, err := anypb.New(wrapperspb.String("in an Any"))
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []proto.Message{
		wrapperspb.Bytes([]byte{0, 0xff}),
		structpb.NewStringValue("a \"string\" \u2028 of text"),
		packed,
		&typepb.Field{},
	} {
		const front = "what was there"
		data, err := codec.JSON().Append([]byte(front), in)
		if err != nil {
			t.Errorf("%T: %v", in, err)
			continue
		}
		rest, kept := strings.CutPrefix(string(data), front)
		if !kept {
			t.Errorf("%T: Append made %q, which does not begin with what it was given", in, data)
		}
		out := in.ProtoReflect().New().Interface()
		if err := codec.JSON().Unmarshal([]byte(rest), out); err != nil || !proto.Equal(in, out) {
			t.Errorf("%T: %s became %v, %v", in, rest, out, err)
		}
	}
}

func TestJSONUnmarshalReplacesContents(t *testing.T) {
	f := &typepb.Field{Name: "old", Number: 7}
	if err := codec.JSON().Unmarshal([]byte(`{"name":"new"}`), f); err != nil {
		t.Fatal(err)
	}
	if f.GetName() != "new" || f.GetNumber() != 0 {
		t.Errorf("got %v, want nothing of the old message", f)
	}
}

func TestJSONIgnoresFieldsOfAnotherVersion(t *testing.T) {
	f := new(typepb.Field)
	if err := codec.JSON().Unmarshal([]byte(`{"addedLater":{"x":[1]},"number":3}`), f); err != nil || f.GetNumber() != 3 {
		t.Errorf("got %v, %v; a schema may grow", f, err)
	}
}

func TestJSONRefusesWhatIsNoMessage(t *testing.T) {
	dst := []byte("kept")
	out, err := codec.JSON().Append(dst, "a string")
	if err == nil || string(out) != "kept" {
		t.Errorf("Append of a string: %q, %v", out, err)
	}
	if err := codec.JSON().Unmarshal([]byte(`""`), new(string)); err == nil {
		t.Error("Unmarshal into a string is no error")
	}
	illegal := wrapperspb.String("\xff")
	if out, err = codec.JSON().Append(dst, illegal); err == nil || string(out) != "kept" {
		t.Errorf("Append of what is not UTF-8: %q, %v", out, err)
	}
	for _, data := range []string{"", "{", "[]", `{"number":"x"}`, `{} {}`} {
		if err := codec.JSON().Unmarshal([]byte(data), new(typepb.Field)); err == nil {
			t.Errorf("%q is a message", data)
		}
	}
}

func TestJSONNames(t *testing.T) {
	if n := codec.JSON().Name(); n != "json" {
		t.Errorf("content-subtype %q", n)
	}
	if n := codec.JSON().Size(wrapperspb.String("x")); n != 0 {
		t.Errorf("Size %d of what cannot be known", n)
	}
}
