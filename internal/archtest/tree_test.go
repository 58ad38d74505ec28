package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the import path of the tree's root.
const module = "github.com/cqrpc/cqrpc"

// source is one parsed Go file.
type source struct {
	path   string // slash-separated, from the root of the tree
	fset   *token.FileSet
	syntax *ast.File
}

// dir is the package directory of s, "." for the root.
func (s source) dir() string { return path.Dir(s.path) }

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// imports lists the import paths of s.
func (s source) imports() []string {
	var paths []string
	for _, spec := range s.syntax.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, `"`))
	}
	return paths
}

// root finds the directory of the library's go.mod above the test.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !strings.HasPrefix(string(mod), "module "+module+"\n") {
		t.Fatalf("%s is not the root of %s: %v", dir, module, err)
	}
	return dir
}

// files lists every file of the tree, nested modules included, without what
// begins with a dot and without test data.
func files(t *testing.T) []string {
	t.Helper()
	var all []string
	err := fs.WalkDir(os.DirFS(root(t)), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case !d.IsDir():
			all = append(all, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// library parses the Go files of the library: all but those of nested modules.
func library(t *testing.T) []source {
	t.Helper()
	var nested []string
	for _, name := range files(t) {
		if path.Base(name) == "go.mod" && name != "go.mod" {
			nested = append(nested, path.Dir(name)+"/")
		}
	}
	return slices.DeleteFunc(allModules(t), func(s source) bool { return hasAnyPrefix(s.path, nested) })
}

// allModules parses the Go files of the library and of all nested modules.
func allModules(t *testing.T) []source {
	t.Helper()
	var sources []source
	for _, name := range files(t) {
		if path.Ext(name) == ".go" {
			sources = append(sources, parse(t, name))
		}
	}
	return sources
}

func hasAnyPrefix(name string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

func parse(t *testing.T, name string) source {
	t.Helper()
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, filepath.Join(root(t), filepath.FromSlash(name)), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return source{name, fset, syntax}
}
