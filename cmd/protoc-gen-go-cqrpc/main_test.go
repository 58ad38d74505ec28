package main

import (
	"testing"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/cqrpc/cqrpc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// generated runs the plugin as main does, on a file with two messages, Q and R,
// and what is given in text format. What comes out, for real .proto files, is
// tested in internal/genproto/golden.
func generated(t *testing.T, parameter, file string) *pluginpb.CodeGeneratorResponse {
	t.Helper()
	p := new(descriptorpb.FileDescriptorProto)
	err := prototext.Unmarshal([]byte(`
		name: "x.proto" package: "x" syntax: "proto3" options { go_package: "example.com/x" }
		message_type { name: "Q" } message_type { name: "R" }
	`+file), p)
	if err != nil {
		t.Fatal(err)
	}
	var opts options
	opts.setDefaults()
	gen, err := protogen.Options{ParamFunc: opts.set}.New(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{"x.proto"}, ProtoFile: []*descriptorpb.FileDescriptorProto{p}, Parameter: &parameter,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := generate(gen, opts); err != nil {
		gen.Error(err)
	}
	return gen.Response()
}

func TestResponseSaysWhatIsSupported(t *testing.T) {
	r := generated(t, "", "")
	want := uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL |
		pluginpb.CodeGeneratorResponse_FEATURE_SUPPORTS_EDITIONS)
	if got := r.GetSupportedFeatures(); got != want {
		t.Errorf("supported features are %b, want %b", got, want)
	}
	if r.GetMinimumEdition() != int32(descriptorpb.Edition_EDITION_PROTO2) ||
		r.GetMaximumEdition() != int32(descriptorpb.Edition_EDITION_2024) {
		t.Errorf("editions %d to %d", r.GetMinimumEdition(), r.GetMaximumEdition())
	}
}

func TestFileWithoutServicesHasNoOutput(t *testing.T) {
	if r := generated(t, "", ""); r.Error != nil || len(r.GetFile()) != 0 {
		t.Errorf("got %v", r)
	}
}

func TestSameGoNameIsAnError(t *testing.T) {
	method := func(name string) string {
		return `method { name: "` + name + `" input_type: ".x.Q" output_type: ".x.R" }`
	}
	for file, want := range map[string]string{
		`service { name: "S" ` + method("foo_bar") + method("FooBar") + `}`: "x.proto: methods foo_bar and FooBar of x.S " +
			"have the same name in Go, FooBar: rename one of them",
		`service { name: "S" } service { name: "s" }`: "x.proto: services S and s " +
			"have the same name in Go, S: rename one of them",
	} {
		if got := generated(t, "", file).GetError(); got != want {
			t.Errorf("%s: error %q, want %q", file, got, want)
		}
	}
}
