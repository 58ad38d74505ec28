package golden

import (
	"flag"
	"go/format"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/pluginpb"

	"github.com/cqrpc/cqrpc/internal/genproto/protoc"
	"github.com/cqrpc/cqrpc/internal/leak"
)

var update = flag.Bool("update", false, "write the generated files instead of comparing them")

func TestMain(m *testing.M) { leak.Main(m) }

// here is the import path of this directory.
const here = "github.com/cqrpc/cqrpc/internal/genproto/golden"

// styles is generated once for each option, into packages of their own.
const styles = "styles/styles.proto"

// run is one run of one plugin.
type run struct {
	plugin    string
	files     []string
	parameter string
}

// runs are all whose output is in the tree.
func runs(t *testing.T) []run {
	all := protos(t)
	list := []run{
		{protoc.Go, all, "paths=source_relative"},
		{protoc.CQRPC, all, "paths=source_relative"},
		{protoc.GRPC, []string{"collisions/collisions.proto", "shapes/shapes.proto"}, "paths=source_relative"},
	}
	for name, option := range map[string]string{
		"onlysync":    "styles=sync",
		"onlyqueue":   "styles=queue",
		"onlyreactor": "styles=reactor",
		"onlyfuture":  "styles=future",
		"onlyclient":  "styles=future+sync,sides=client",
		"onlyserver":  "styles=queue+reactor,sides=server",
	} {
		list = append(list, run{protoc.CQRPC, []string{styles}, styleParameter(name) + "," + option})
	}
	return list
}

// styleParameter gives the file of services to a Go package by M, and puts it
// there by its import path, less the prefix of module.
func styleParameter(pkg string) string {
	return "paths=import,module=" + here + ",M" + styles + "=" + here + "/styles/" + pkg
}

// protos lists the .proto files but that of styles.
func protos(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(glob(t, ".proto"), func(name string) bool { return name == styles })
}

// glob lists the files below this directory with an ending.
func glob(t *testing.T, ending string) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ending) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func compile(t *testing.T, files ...string) *pluginpb.CodeGeneratorRequest {
	t.Helper()
	request, err := protoc.Compile(".", files...)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func generate(t *testing.T, r run) map[string]string {
	t.Helper()
	files, err := protoc.Run(r.plugin, compile(t, r.files...), r.parameter)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// What is in the tree is what the plugins make of it, nothing more and nothing
// less: a file without services has nothing of ours.
func TestGenerated(t *testing.T) {
	want := make(map[string]string)
	for _, r := range runs(t) {
		maps.Copy(want, generate(t, r))
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if *update {
			write(t, name, want[name])
		}
		if err := protoc.Differs(name, want[name]); err != nil {
			t.Errorf("%v; go test ./golden -update writes it, then read what has changed", err)
		}
	}
	for _, name := range glob(t, ".pb.go") {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is not generated any more: remove it", name)
		}
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(path.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestGeneratedCodeIsFormatted(t *testing.T) {
	for _, name := range glob(t, "_cqrpc.pb.go") {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		formatted, err := format.Source(src)
		if err != nil {
			t.Fatal(err)
		}
		if string(formatted) != string(src) {
			t.Errorf("gofmt would change %s", name)
		}
	}
}

// One file at a time, in another order, with the compiler's version: the bytes
// are the same.
func TestOutputDependsOnTheFileAlone(t *testing.T) {
	all := protos(t)
	request := compile(t, all...)
	together, err := protoc.Run(protoc.CQRPC, request, "paths=source_relative")
	if err != nil {
		t.Fatal(err)
	}
	major := int32(99)
	request.CompilerVersion = &pluginpb.Version{Major: &major}
	slices.Reverse(request.FileToGenerate)
	reversed, err := protoc.Run(protoc.CQRPC, request, "paths=source_relative")
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(together, reversed) {
		t.Error("the order of the files and the compiler's version change the output")
	}
	for _, file := range []string{"aliases/aliases.proto", "collisions/collisions.proto"} {
		alone := generate(t, run{protoc.CQRPC, []string{file}, "paths=source_relative"})
		for name, content := range alone {
			if together[name] != content {
				t.Errorf("%s is another if it is generated alone", name)
			}
		}
	}
}
