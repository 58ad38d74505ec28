package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestCount(t *testing.T) {
	for _, test := range []struct {
		name, lines string
		want        tally
		shown       string
	}{
		{"a test without subtests is a case", `{"Action":"run","Test":"A"}
{"Action":"pass","Test":"A"}
{"Action":"pass"}`, tally{1, 1}, ""},
		{"of subtests only the innermost are", `{"Action":"run","Test":"A"}
{"Action":"run","Test":"A/b"}
{"Action":"run","Test":"A/b/c"}
{"Action":"output","Test":"A/b/c","Output":"why\n"}
{"Action":"fail","Test":"A/b/c"}
{"Action":"run","Test":"A/b/d"}
{"Action":"pass","Test":"A/b/d"}
{"Action":"fail","Test":"A/b"}
{"Action":"fail","Test":"A"}`, tally{2, 1}, "why\n"},
		{"a skipped test has not passed", `{"Action":"run","Test":"A"}
{"Action":"skip","Test":"A"}`, tally{1, 0}, ""},
		{"what a suite says counts instead", `{"Action":"run","Test":"A"}
{"Action":"output","Test":"A","Output":"    x_test.go:1: suite: h2spec -S; cases: 146; passed: 145\n"}
{"Action":"pass","Test":"A"}`, tally{146, 145}, ""},
		{"what is no JSON is shown", "no such package", tally{}, "no such package\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, output := count(strings.NewReader(test.lines))
			if got != test.want || output != test.shown {
				t.Errorf("count is %+v with output %q, want %+v with %q", got, output, test.want, test.shown)
			}
		})
	}
}

func TestReplaceTable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(file, []byte("before\n"+tableBegin+"old\n"+tableEnd+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceTable(file, "new\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := "before\n" + tableBegin + "new\n" + tableEnd + "after\n"; string(got) != want {
		t.Errorf("file is %q, want %q", got, want)
	}
	if err := replaceTable(file, "newer\n"); err != nil {
		t.Errorf("a second time: %v", err)
	}
}
