// Genproto compiles .proto files and writes the .pb.go beside each, with no
// protoc installed: a Go compiler parses, and the pinned protoc-gen-go of this
// module generates.
//
//	go -C internal/tools run ./genproto [-check] ROOT FILE...
//
// ROOT is the repository's root, FILE a path below it. With -check nothing is
// written; stale output is listed and the exit status is 1.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	check := flag.Bool("check", false, "only compare")
	flag.Parse()
	if flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: genproto [-check] ROOT FILE...")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Args()[1:], *check); err != nil {
		fmt.Fprintln(os.Stderr, "genproto:", err)
		os.Exit(1)
	}
}

func run(root string, names []string, check bool) error {
	request, err := compile(root, names)
	if err != nil {
		return err
	}
	response, err := generate(request)
	if err != nil {
		return err
	}
	var stale error
	for _, f := range response.GetFile() {
		path := filepath.Join(root, f.GetName())
		old, _ := os.ReadFile(path)
		switch {
		case bytes.Equal(old, []byte(f.GetContent())):
		case check:
			stale = errors.Join(stale, fmt.Errorf("%s is stale", f.GetName()))
		default:
			if err := os.WriteFile(path, []byte(f.GetContent()), 0o644); err != nil {
				return err
			}
		}
	}
	return stale
}

// compile makes the request that protoc would send to a plugin.
func compile(root string, names []string) (*pluginpb.CodeGeneratorRequest, error) {
	c := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := c.Compile(context.Background(), names...)
	if err != nil {
		return nil, err
	}
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: names, Parameter: proto.String("paths=source_relative"),
	}
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
		if dep, ok := fileOf(f, imports.Get(i)); ok {
			list = appendWithImports(list, dep, seen)
		}
	}
	return append(list, protoutil.ProtoFromFileDescriptor(f))
}

func fileOf(f linker.File, i protoreflect.FileImport) (linker.File, bool) {
	dep := f.FindImportByPath(i.Path())
	return dep, dep != nil
}

// generate runs protoc-gen-go.
func generate(request *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	in, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "tool", "protoc-gen-go")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("protoc-gen-go: %w", err)
	}
	response := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(out, response); err != nil {
		return nil, err
	}
	if response.Error != nil {
		return nil, errors.New(response.GetError())
	}
	return response, nil
}
