package archtest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// rule is what the non-test files of one package may import besides the
// standard library. Entries are path.Match patterns.
type rule struct {
	ours     []string // packages of the library, by directory; "." is the root
	external []string // import paths of other modules
}

var (
	http2 = []string{"golang.org/x/net/http2", "golang.org/x/net/http2/hpack", "golang.org/x/net/http/httpguts"}
	// proxying is what HTTPS_PROXY and NO_PROXY mean, and which names CONNECT can have.
	proxying = []string{"golang.org/x/net/http/httpproxy", "golang.org/x/net/http/httpguts"}
	protobuf = []string{
		"google.golang.org/protobuf/*", "google.golang.org/protobuf/*/*", "google.golang.org/protobuf/*/*/*",
	}
	// style is what every style imports besides the package it dresses.
	style = []string{".", "call", "cq", "codec"}
	// aService is what every service of ours imports besides.
	aService = []string{"server", "server/reactor", "internal/lasting", "internal/gen/*"}
)

// graph is the whole architecture: package directory → rule. Directories are
// path.Match patterns; the first row that matches counts.
var graph = []struct {
	dir string
	rule
}{
	// cellar: words and memory
	{".", rule{external: protobuf}},
	{"internal/mem", rule{}},
	{"internal/quota", rule{}},
	{"internal/version", rule{}}, // the client and the generator both tell it
	{"internal/gen/*", rule{external: protobuf}},

	// ground: bytes, queues and encodings know nothing of each other
	{"frame", rule{ours: []string{"internal/mem"}, external: http2}},
	{"cq", rule{}},
	{"cq/future", rule{ours: []string{"cq", "internal/station"}}},
	{"codec", rule{ours: []string{"internal/mem"}, external: protobuf}},

	// middle: the siblings that meet only through interfaces of their own
	{"transport", rule{ours: []string{"frame", "cq", "internal/mem"}, external: http2}},
	{"call", rule{ours: []string{".", "frame", "cq", "codec", "internal/mem", "internal/quota"}}},

	// wiring: client and server never meet
	{"client/resolver", rule{}},
	{"client", rule{ours: []string{
		"client/resolver", ".", "transport", "call", "frame", "cq", "codec", "internal/mem", "internal/version",
	}, external: append(proxying, "google.golang.org/protobuf/encoding/protowire")}},
	{"client/serviceconfig", rule{ours: []string{".", "call", "client"}}},
	{"server", rule{ours: []string{
		".", "transport", "call", "frame", "cq", "codec", "internal/mem", "internal/quota",
	}}},

	// styles
	{"internal/station", rule{ours: []string{"cq"}}}, // beneath cq/future, which has users; this has none
	{"internal/half", rule{ours: []string{".", "call", "cq", "cq/future", "internal/mem"}}},
	{"internal/reaction", rule{ours: []string{".", "call", "cq"}}},
	{"client/async", rule{ours: append([]string{"client"}, style...)}},
	{"client/reactor", rule{ours: append([]string{"client", "internal/reaction"}, style...)}},
	{"client/future", rule{ours: append([]string{"client", "cq/future", "internal/half", "internal/station"}, style...)}},
	{"server/async", rule{ours: append([]string{"server"}, style...)}},
	{"server/reactor", rule{ours: append([]string{"server", "internal/reaction"}, style...)}},
	{"server/future", rule{ours: append([]string{"server", "cq/future", "internal/half", "internal/station"}, style...)}},

	// a port that is shared: what goes to a server, not what it does
	{"server/oneport", rule{}},

	// services: ordinary ones, in a style whose calls cost no goroutine
	{"internal/lasting", rule{ours: []string{"."}}},
	{"server/health", rule{ours: append(aService, style...), external: protobuf}},
	{"server/reflection", rule{ours: append(aService, style...), external: protobuf}},

	// roof
	{"cmd/*", rule{ours: []string{"internal/version"}, external: protobuf}},
	{"examples/*", rule{ours: everyAPI, external: protobuf}},
	{"examples/*/*", rule{ours: everyAPI, external: protobuf}},

	// test harness
	{"internal/memconn", rule{}},
	{"internal/faultproxy", rule{}},
	{"internal/h2peer", rule{external: http2}},
	{"internal/parity", rule{ours: everyAPI, external: protobuf}},
	{"internal/ledger", rule{ours: append([]string{"internal/parity"}, everyAPI...)}},
	{"internal/shared", rule{ours: []string{"call", "codec"}, external: protobuf}},
	{"internal/leak", rule{ours: []string{"internal/mem"}}},
	{"internal/fatallog", rule{}},
	{"internal/restless", rule{}},
	{"internal/archtest", rule{}},
}

// everyAPI is what a user of the library can import.
var everyAPI = []string{
	".", "transport", "call", "cq", "cq/*", "codec", "client", "client/*", "server", "server/*", "examples/*", "examples/*/*",
}

// ruleFor finds the row of a package.
func ruleFor(dir string) (rule, bool) {
	for _, row := range graph {
		if matches(row.dir, dir) {
			return row.rule, true
		}
	}
	return rule{}, false
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	if err != nil {
		panic(err)
	}
	return ok
}

// forbidden says why a package may not have an import, "" if it may.
func forbidden(dir, imported string, r rule) string {
	allowed, target := r.external, imported
	switch {
	case imported == module || strings.HasPrefix(imported, module+"/"):
		allowed, target = r.ours, relative(imported)
	case !strings.Contains(strings.SplitN(imported, "/", 2)[0], "."):
		return "" // standard library
	}
	if slices.ContainsFunc(allowed, func(p string) bool { return matches(p, target) }) {
		return ""
	}
	return fmt.Sprintf("%s imports %s; it may import only %q and the standard library. "+
		"Turn the dependency round (an interface where it is used), or, if the architecture is to change, "+
		"change graph_test.go and ARCHITECTURE.md together.", dir, target, slices.Concat(r.ours, r.external))
}

// relative turns an import path of ours into a directory.
func relative(imported string) string {
	if imported == module {
		return "."
	}
	return strings.TrimPrefix(imported, module+"/")
}

func TestImportGraph(t *testing.T) {
	packages := make(map[string][]source)
	for _, s := range library(t) {
		packages[s.dir()] = append(packages[s.dir()], s)
	}
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		r, ok := ruleFor(dir)
		if !ok {
			t.Errorf("package %s is in no row of graph_test.go: decide which floor it stands on and add a row "+
				"with the few packages it may import", dir)
			continue
		}
		checkImports(t, dir, r, packages[dir])
	}
}

// A row without a package is a plan that was dropped, or a name that has changed.
func TestGraphIsAboutThisTree(t *testing.T) {
	var dirs []string
	for _, s := range library(t) {
		dirs = append(dirs, s.dir())
	}
	for _, row := range graph {
		for _, pattern := range append(row.ours, row.dir) {
			if !slices.ContainsFunc(dirs, func(dir string) bool { return matches(pattern, dir) }) {
				t.Errorf("the row of %s names %s, which is no package", row.dir, pattern)
			}
		}
	}
}

func checkImports(t *testing.T, dir string, r rule, sources []source) {
	t.Helper()
	for _, s := range sources {
		if s.isTest() {
			continue
		}
		for _, imported := range s.imports() {
			if why := forbidden(dir, imported, r); why != "" {
				t.Errorf("%s: %s", s.path, why)
			}
		}
	}
}

// The edges whose absence the design rests on, spelled out: a row of the table
// that grew too generous fails here.
func TestEdgesThatMustNotBe(t *testing.T) {
	for _, edge := range [][2]string{
		{"transport", "call"}, {"call", "transport"},
		{"client", "server"}, {"server", "client"},
		{"client/async", "server"}, {"server/async", "client"},
		{"client/async", "client/future"}, {"server/reactor", "server/async"},
		{"frame", "."}, {"frame", "cq"}, {"cq", "."}, {"cq", "frame"}, {"transport", "."},
		{"client/resolver", "client"}, {".", "frame"}, {"internal/mem", "."},
		{"call", "client"}, {"codec", "call"}, {"client/future", "transport"},
		{"server", "server/health"}, {"server/reactor", "server/health"}, {"server/health", "server/reflection"},
		{"server/health", "client"}, {"server/reflection", "server/health"}, {"server/reflection", "transport"},
	} {
		imported := strings.TrimSuffix(module+"/"+edge[1], "/.")
		r, ok := ruleFor(edge[0])
		if !ok || forbidden(edge[0], imported, r) == "" {
			t.Errorf("the graph lets %s import %s", edge[0], edge[1])
		}
	}
}

// The library has two dependencies; a third is a decision, not an import.
func TestExternalModules(t *testing.T) {
	for _, row := range graph {
		for _, p := range row.external {
			if !strings.HasPrefix(p, "golang.org/x/net/") && !strings.HasPrefix(p, "google.golang.org/protobuf/") {
				t.Errorf("%s may import %s, which is in neither x/net nor protobuf", row.dir, p)
			}
		}
	}
	for _, imported := range []string{"golang.org/x/net", "golang.org/x/text/unicode", "google.golang.org/grpc"} {
		for _, row := range graph {
			if forbidden(row.dir, imported, row.rule) == "" {
				t.Errorf("the graph lets %s import %s", row.dir, imported)
			}
		}
	}
}
