// Genproto compiles .proto files and writes beside each what is generated from
// it: the messages by the pinned protoc-gen-go, the services by the
// protoc-gen-go-cqrpc of the checkout. Nothing but Go is needed.
//
//	go -C internal/genproto run . [-check] ROOT FILE...
//
// ROOT is the repository's root, FILE a path below it. With -check nothing is
// written; stale output is listed and the exit status is 1.
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
	request, err := protoc.Compile(root, names...)
	if err != nil {
		return err
	}
	var stale error
	for _, plugin := range []string{protoc.Go, protoc.CQRPC} {
		files, err := protoc.Run(plugin, request, "paths=source_relative")
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
