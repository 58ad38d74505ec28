package reflection

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cqrpc/cqrpc/internal/gen/healthpb"
	"github.com/cqrpc/cqrpc/internal/gen/reflectionpb"
)

// ownFiles describes the services of this library by the names that gRPC has given them.
// Our messages have names of our own, because the registry of generated code is one for
// the binary and grpc-go's copies are in it by those of gRPC.
func ownFiles() *protoregistry.Files {
	files := new(protoregistry.Files)
	for _, f := range []struct {
		ours      protoreflect.FileDescriptor
		path, pkg string
	}{
		{healthpb.File_internal_gen_healthpb_cqrpc_health_proto, "grpc/health/v1/health.proto", "grpc.health.v1"},
		{
			reflectionpb.File_internal_gen_reflectionpb_cqrpc_reflection_proto,
			"grpc/reflection/v1/reflection.proto", "grpc.reflection.v1",
		},
		{
			reflectionpb.File_internal_gen_reflectionpb_cqrpc_reflection_proto,
			"grpc/reflection/v1alpha/reflection.proto", "grpc.reflection.v1alpha",
		},
	} {
		renamed, err := protodesc.NewFile(rename(f.ours, f.path, f.pkg), nil)
		if err == nil {
			err = files.RegisterFile(renamed)
		}
		if err != nil {
			panic(fmt.Sprintf("BUG: reflection: %s: %v", f.path, err))
		}
	}
	return files
}

// rename describes f, which imports nothing, as a file of another path and package.
func rename(f protoreflect.FileDescriptor, path, pkg string) *descriptorpb.FileDescriptorProto {
	p := protodesc.ToFileDescriptorProto(f)
	n := naming{"." + p.GetPackage() + ".", "." + pkg + "."}
	p.Name, p.Package, p.Options = &path, &pkg, nil // the options are about Go
	n.messages(p.GetMessageType())
	for _, s := range p.GetService() {
		for _, m := range s.GetMethod() {
			n.apply(m.InputType)
			n.apply(m.OutputType)
		}
	}
	return p
}

// naming replaces the package of the types that are referred to.
type naming struct{ from, to string }

func (n naming) apply(name *string) {
	if name == nil {
		return
	}
	if rest, ok := strings.CutPrefix(*name, n.from); ok {
		*name = n.to + rest
	}
}

func (n naming) messages(list []*descriptorpb.DescriptorProto) {
	for _, m := range list {
		for _, f := range m.GetField() {
			n.apply(f.TypeName)
		}
		n.messages(m.GetNestedType())
	}
}
