package golden

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/internal/genproto/protoc"
)

func TestPluginTellsItsVersion(t *testing.T) {
	for _, flag := range []string{"-version", "--version"} {
		out, err := exec.Command("go", "run", protoc.CQRPC, flag).Output()
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^protoc-gen-go-cqrpc v\d+\.\d+\.\d+\n$`).Match(out) {
			t.Errorf("%s prints %q", flag, out)
		}
	}
}

// A user sees these through protoc or buf, which print what the plugin does.
func TestPluginRefuses(t *testing.T) {
	for parameter, want := range map[string]string{
		"paths=source_relative,styles=sync+callback": `styles=sync+callback: no "callback": want some of sync+queue+reactor+future`,
		"paths=source_relative,sides=peer":           `sides=peer: no "peer": want some of client+server`,
		"plugins=grpc":                               `unknown option "plugins": want styles, sides, paths, module or M`,
		"paths=relative":                             `unknown path type "relative"`,
		"module=example.com/other":                   `does not match prefix "example.com/other"`,
	} {
		_, err := protoc.Run(protoc.CQRPC, compile(t, "shapes/shapes.proto"), parameter)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", parameter, err, want)
		}
	}
}
