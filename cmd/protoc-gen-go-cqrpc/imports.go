package main

import (
	"fmt"
	"go/types"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
)

const module = "github.com/cqrpc/cqrpc"

// packages are those that generated code uses, by the name it uses for them.
// The styles have the same package names on both sides, so theirs say more.
var packages = map[string]string{
	"context":       "context",
	"cqrpc":         module,
	"call":          module + "/call",
	"cq":            module + "/cq",
	"future":        module + "/cq/future",
	"client":        module + "/client",
	"clientasync":   module + "/client/async",
	"clientreactor": module + "/client/reactor",
	"clientfuture":  module + "/client/future",
	"server":        module + "/server",
	"serverasync":   module + "/server/async",
	"serverreactor": module + "/server/reactor",
	"serverfuture":  module + "/server/future",
}

// variables are the names that generated functions have for what they get. No
// package is called like that: it would be legal, and hard to read.
var variables = []string{
	"bound", "c", "ch", "ctx", "done", "env", "err", "impl", "notify", "opts", "q", "r", "req", "requests", "res",
	"rw", "s", "sink", "tag", "w",
}

// imports is what one generated file imports. Unlike protogen's own, it knows
// our packages before those of messages, so that ours keep their names.
type imports struct {
	gen  *protogen.Plugin
	own  protogen.GoImportPath // of the file
	used map[string]string     // name → path
	name map[protogen.GoImportPath]string
	free scope
}

func newImports(gen *protogen.Plugin, own protogen.GoImportPath) *imports {
	i := &imports{
		gen: gen, own: own,
		used: make(map[string]string), name: make(map[protogen.GoImportPath]string), free: make(scope),
	}
	i.free.take("_", "init")
	i.free.take(types.Universe.Names()...)
	i.free.take(slices.Collect(maps.Keys(packages))...)
	i.free.take(variables...)
	return i
}

// word imports one of our packages.
func (i *imports) word(name string) (string, bool) {
	path, ok := packages[name]
	if ok {
		i.used[name] = path
	}
	return name, ok
}

// message returns the Go type of m and imports its package. The packages are
// numbered in the order they are first mentioned in, if they have the same name.
func (i *imports) message(m *protogen.Message) string {
	path := m.GoIdent.GoImportPath
	if path == i.own {
		return m.GoIdent.GoName
	}
	name, ok := i.name[path]
	if !ok {
		base := string(i.gen.FilesByPath[m.Desc.ParentFile().Path()].GoPackageName)
		name = base
		for n := 1; i.free[name]; n++ {
			name = base + strconv.Itoa(n)
		}
		i.free.take(name)
		i.name[path], i.used[name] = name, string(path)
	}
	return name + "." + m.GoIdent.GoName
}

// String is the import declaration, sorted by path, the standard library first.
func (i *imports) String() string {
	names := slices.SortedFunc(maps.Keys(i.used), func(a, b string) int { return strings.Compare(i.used[a], i.used[b]) })
	var std, others strings.Builder
	for _, name := range names {
		path := i.used[name]
		switch {
		case path == name:
			fmt.Fprintf(&std, "\t%q\n", path)
		case strings.HasSuffix(path, "/"+name) && packages[name] == path:
			fmt.Fprintf(&others, "\t%q\n", path)
		default:
			fmt.Fprintf(&others, "\t%s %q\n", name, path)
		}
	}
	return "import (\n" + std.String() + "\n" + others.String() + ")\n"
}
