// Borrow generates the messages of .proto files that another Go module has,
// where the text of these files stays: what is committed has their declarations
// and none of their comments.
//
//	go -C internal/genproto run ./borrow [-check] ROOT DIR MODULE@VERSION FILE...
//
// ROOT is the repository's root, DIR the directory below it of the package to
// generate, FILE a path below the directory proto of the module, which comes
// from the Go module proxy. With -check nothing is written; stale output is
// listed and the exit status is 1.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cqrpc/cqrpc/internal/genproto/protoc"
)

// library is the import path of ROOT.
const library = "github.com/cqrpc/cqrpc"

func main() {
	check := flag.Bool("check", false, "only compare")
	flag.Parse()
	if flag.NArg() < 4 {
		fmt.Fprintln(os.Stderr, "usage: borrow [-check] ROOT DIR MODULE@VERSION FILE...")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Arg(1), flag.Arg(2), flag.Args()[3:], *check); err != nil {
		fmt.Fprintln(os.Stderr, "borrow:", err)
		os.Exit(1)
	}
}

func run(root, dir, module string, names []string, check bool) error {
	lender, err := download(module)
	if err != nil {
		return err
	}
	request, err := protoc.Compile(filepath.Join(lender, "proto"), names...)
	if err != nil {
		return err
	}
	for _, f := range request.GetProtoFile() {
		f.SourceCodeInfo = nil // the comments
	}
	parameters := []string{"module=" + library}
	for _, name := range names {
		parameters = append(parameters, fmt.Sprintf("M%s=%s/%s", name, library, dir))
	}
	files, err := protoc.Run(protoc.Go, request, strings.Join(parameters, ","))
	if err != nil {
		return err
	}
	var stale error
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
	return stale
}

// download returns the directory of a module in the module cache.
func download(module string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Env, cmd.Stderr = append(os.Environ(), "GOWORK=off"), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("download %s: %w", module, err)
	}
	var cached struct{ Dir string }
	if err := json.Unmarshal(out, &cached); err != nil {
		return "", fmt.Errorf("download %s: %w", module, err)
	}
	return cached.Dir, nil
}
