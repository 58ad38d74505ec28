package golden

import (
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"

	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/aliases"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/collisions"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/collisions/own"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/comments"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/deprecated"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/deprecated/whole"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/editions"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/editions/opaque"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/editions/proto2"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/empty"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/keywords"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/nested"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/shapes"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/styles/onlyclient"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/styles/onlyfuture"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/styles/onlyqueue"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/styles/onlyreactor"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/styles/onlyserver"
	_ "github.com/cqrpc/cqrpc/internal/genproto/golden/styles/onlysync"
)

// importsOf lists the import paths of a Go file.
func importsOf(t *testing.T, name string) []string {
	t.Helper()
	syntax, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, spec := range syntax.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, `"`))
	}
	return paths
}

// The imports above are the proof that all of it compiles.
func TestEverythingGeneratedIsLinked(t *testing.T) {
	linked := importsOf(t, "link_test.go")
	for _, name := range glob(t, "_cqrpc.pb.go") {
		if pkg := here + "/" + path.Dir(name); !slices.Contains(linked, pkg) {
			t.Errorf("add the import of %s to link_test.go", pkg)
		}
	}
}

// Who wants one style does not link the others.
func TestOnlyWhatIsChosenIsImported(t *testing.T) {
	const module = "github.com/cqrpc/cqrpc/"
	for pkg, want := range map[string][]string{
		"onlysync":    {"client", "server"},
		"onlyqueue":   {"client", "client/async", "server", "server/async"},
		"onlyreactor": {"client", "client/reactor", "server", "server/reactor"},
		"onlyfuture":  {"client", "client/future", "cq/future", "server", "server/future"},
		"onlyclient":  {"client", "client/future", "cq/future"},
		"onlyserver":  {"server", "server/async", "server/reactor"},
	} {
		got := importsOf(t, "styles/"+pkg+"/styles_cqrpc.pb.go")
		got = slices.DeleteFunc(got, func(path string) bool {
			name, ours := strings.CutPrefix(path, module)
			return !ours || name == "call" || name == "cq" || strings.HasPrefix(path, here)
		})
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], module)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s imports %q, want %q", pkg, got, want)
		}
	}
}
