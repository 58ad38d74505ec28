// Restless runs go test with a Go runtime that is less fair than any load makes it, to find what
// depends on the order of things:
//
//	go run ./internal/restless -count=10 ./server/... ./client/...
//
// Its arguments are those of go test. Before and after one in four locks and unlocks of a mutex, and one
// in eight operations of sync/atomic's types, other goroutines run; and a goroutine is preempted after
// 30 µs, not 10 ms, wherever it is. So what goes wrong once in a million runs, because something came
// between two steps, goes wrong in a hundred. What fails in this way can fail anywhere.
//
// The go command is given an overlay of some files of its standard library, which is compiled anew,
// once. Nothing else is changed, and synctest's bubbles stay what they are.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "restless:", err)
		code = 2
	}
	os.Exit(code)
}

// run runs go test with args, and returns its exit code.
func run(args []string) (int, error) {
	src, err := standardLibrary()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "restless")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(src, dir)
	if err != nil {
		return 0, err
	}
	test := exec.Command("go", append([]string{"test", "-overlay", overlay}, args...)...)
	test.Stdin, test.Stdout, test.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = test.Run()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return failed.ExitCode(), nil
	}
	return 0, err
}

// standardLibrary is where its source is.
func standardLibrary() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "src"), nil
}

// writeOverlay writes the files that differ from those of src to dir, and returns the name of the
// file that tells go test of them.
func writeOverlay(src, dir string) (string, error) {
	files, err := restless(src)
	if err != nil {
		return "", err
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string)
	for name, text := range files {
		path := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
		overlay.Replace[filepath.Join(src, filepath.FromSlash(name))] = path
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}
