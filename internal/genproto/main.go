// Genproto compiles .proto files and writes beside each what is generated from
// it: the messages by the pinned protoc-gen-go, the services by the
// protoc-gen-go-cqrpc of the checkout. Nothing but Go is needed.
//
//	go -C internal/genproto run . [-check] [-messages | -vt PACKAGE] ROOT FILE...
//
// ROOT is the repository's root, FILE a path below it. With -check nothing is
// written; stale output is listed and the exit status is 1. With -messages no code
// is generated for services, which are described all the same. With -vt, in place of
// services, vtprotobuf's methods are generated, with pools for the messages of the
// Go package that has this import path.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cqrpc/cqrpc/internal/genproto/protoc"
)

func main() {
	check := flag.Bool("check", false, "only compare")
	messages := flag.Bool("messages", false, "no code for services")
	vt := flag.String("vt", "", "import path of a `package` to get the methods of vtprotobuf")
	flag.Parse()
	if flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: genproto [-check] [-messages | -vt PACKAGE] ROOT FILE...")
		os.Exit(2)
	}
	plugins := []plugin{{protoc.Go, relative}, {protoc.CQRPC, relative}}
	switch {
	case *messages:
		plugins = plugins[:1]
	case *vt != "":
		plugins[1] = plugin{protoc.VT, relative + ",features=marshal+unmarshal+size+pool,pool=" + *vt + ".*"}
	}
	if err := run(flag.Arg(0), flag.Args()[1:], plugins, *check); err != nil {
		fmt.Fprintln(os.Stderr, "genproto:", err)
		os.Exit(1)
	}
}

// plugin is one that runs, and what it is told.
type plugin struct{ name, parameter string }

// relative has files generated beside their source.
const relative = "paths=source_relative"

func run(root string, names []string, plugins []plugin, check bool) error {
	request, err := protoc.Compile(root, names...)
	if err != nil {
		return err
	}
	var stale error
	for _, p := range plugins {
		files, err := protoc.Run(p.name, request, p.parameter)
		if err != nil {
			return err
		}
		for name, content := range files {
			path := filepath.Join(root, name)
			err := protoc.Differs(path, content)
			switch {
			case err == nil:
			case check:
				stale = errors.Join(stale, err)
			default:
				if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
					return err
				}
			}
		}
	}
	return stale
}
