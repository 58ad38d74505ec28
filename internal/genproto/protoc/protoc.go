// Package protoc does what the program of that name does, with no need of it:
// it compiles .proto files, with a compiler written in Go, and runs plugins.
package protoc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// Plugins by the import paths of their commands, for Run.
const (
	Go    = "google.golang.org/protobuf/cmd/protoc-gen-go"
	GRPC  = "google.golang.org/grpc/cmd/protoc-gen-go-grpc"
	CQRPC = "github.com/cqrpc/cqrpc/cmd/protoc-gen-go-cqrpc"
	VT    = "github.com/planetscale/vtprotobuf/cmd/protoc-gen-go-vtproto"
)

// Compile makes the request that protoc sends to a plugin. The names are paths
// below root, and so are imports; parameter is left to the caller.
func Compile(root string, names ...string) (*pluginpb.CodeGeneratorRequest, error) {
	c := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := c.Compile(context.Background(), names...)
	if err != nil {
		return nil, err
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: names}
	seen := make(map[string]bool)
	for _, f := range files {
		request.ProtoFile = appendWithImports(request.ProtoFile, f, seen)
	}
	return request, nil
}

// appendWithImports lists a file after everything it imports, as plugins want.
func appendWithImports(
	list []*descriptorpb.FileDescriptorProto, f linker.File, seen map[string]bool,
) []*descriptorpb.FileDescriptorProto {
	if seen[f.Path()] {
		return list
	}
	seen[f.Path()] = true
	imports := f.Imports()
	for i := range imports.Len() {
		if dep := f.FindImportByPath(imports.Get(i).Path()); dep != nil {
			list = appendWithImports(list, dep, seen)
		}
	}
	return append(list, protoutil.ProtoFromFileDescriptor(f))
}

// Run sends a request with a parameter to a plugin, which is a package of this
// module's build list: one built from the checkout, or at a pinned version. It
// returns the files by name. The request may be used at the same time.
func Run(plugin string, request *pluginpb.CodeGeneratorRequest, parameter string) (map[string]string, error) {
	with := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: request.GetFileToGenerate(), ProtoFile: request.GetProtoFile(), Parameter: &parameter,
	}
	in, err := proto.Marshal(with)
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	cmd := exec.Command("go", "run", plugin)
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false") // not those of a test: no race detector
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", path.Base(plugin), err, stderr.Bytes())
	}
	response := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(out, response); err != nil {
		return nil, err
	}
	if response.Error != nil {
		return nil, errors.New(response.GetError())
	}
	files := make(map[string]string)
	for _, f := range response.GetFile() {
		files[f.GetName()] = f.GetContent()
	}
	return files, nil
}

// Differs returns an error that says how to repair it if the file at path is not
// content.
func Differs(path, content string) error {
	switch old, err := os.ReadFile(path); {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s is missing", path)
	case err != nil:
		return err
	case string(old) != content:
		return fmt.Errorf("%s is stale", path)
	}
	return nil
}
