package main

import (
	"fmt"
	"os"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/cqrpc/cqrpc/internal/version"
)

// plugin and release stand in the header of what is generated. The version of
// protoc does not: the same input is to give the same bytes whoever parsed it.
const (
	plugin  = "protoc-gen-go-cqrpc"
	release = "v" + version.Number
)

func main() {
	if len(os.Args) == 2 && (os.Args[1] == "-version" || os.Args[1] == "--version") {
		fmt.Println(plugin, release)
		return
	}
	var opts options
	opts.setDefaults()
	protogen.Options{ParamFunc: opts.set}.Run(func(gen *protogen.Plugin) error {
		return generate(gen, opts)
	})
}

// generate writes a file for each one with services that is asked for.
func generate(gen *protogen.Plugin, opts options) error {
	// The same as protoc-gen-go of google.golang.org/protobuf v1.36: a service
	// has nothing that depends on the edition, but its messages come from there.
	gen.SupportedFeatures = uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL |
		pluginpb.CodeGeneratorResponse_FEATURE_SUPPORTS_EDITIONS)
	gen.SupportedEditionsMinimum = descriptorpb.Edition_EDITION_PROTO2
	gen.SupportedEditionsMaximum = descriptorpb.Edition_EDITION_2024

	for _, p := range gen.Files {
		if !p.Generate || len(p.Services) == 0 {
			continue
		}
		f, err := newFile(gen, p)
		if err != nil {
			return err
		}
		f.write(gen, opts)
	}
	return nil
}
