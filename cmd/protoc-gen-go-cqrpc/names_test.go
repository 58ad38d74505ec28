package main

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/compiler/protogen"
)

func TestFirstComeFirstNamed(t *testing.T) {
	s := make(scope)
	s.take("B", "B_")
	var got []string
	for _, name := range []string{"A", "A", "B", "A", "A_"} {
		got = append(got, s.claim(name))
	}
	if want := []string{"A", "A_", "B__", "A__", "A___"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFieldIsNoKeyword(t *testing.T) {
	s := make(scope)
	var got []string
	for _, name := range []string{"Type", "Type_", "GetFeature", "X"} {
		got = append(got, s.claimField(name))
	}
	if want := []string{"type_", "type__", "getFeature", "x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Else an application that does without a style today would have to rename
// things when it wants one.
func TestOptionsRenameNothing(t *testing.T) {
	const services = `
		message_type { name: "SSyncClient" }
		service { name: "S" method { name: "M" input_type: ".x.Q" output_type: ".x.R" } }
		service { name: "SFuture" method { name: "M" input_type: ".x.Q" output_type: ".x.R" } }`
	all := generated(t, "", services).GetFile()[0].GetContent()
	for _, style := range []string{"sync", "queue", "reactor", "future"} {
		for _, side := range sideNames {
			one := generated(t, "styles="+style+",sides="+side, services).GetFile()[0].GetContent()
			for line := range strings.Lines(one) {
				if strings.HasPrefix(line, "type ") || strings.HasPrefix(line, "func ") || strings.Contains(line, "call.Method") {
					if !strings.Contains(all, line) {
						t.Errorf("only with %s and %s: %s", style, side, line)
					}
				}
			}
		}
	}
}

// What a .proto file says in its comments is never a directive to the go
// command or the compiler.
func TestCommentIsNoDirective(t *testing.T) {
	for text, want := range map[string]string{
		"go:build ignore\n":         "// go:build ignore",
		"line x.go:1\n text \n":     "// line x.go:1\n// text",
		" indented by one\n":        "// indented by one",
		"\ttab\n\n end":             "//\ttab\n//\n// end",
		"\n":                        "//",
		"*/ `raw` $Req ${Res} %s\n": "// */ `raw` $Req ${Res} %s",
	} {
		if got := comment(protogen.Comments(text)); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
