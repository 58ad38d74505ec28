package archtest

import (
	"fmt"
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What a page says of the code in a form that a machine can check. Code blocks do not
// count: they are examples.
var (
	codeBlock  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	link       = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	namedTest  = regexp.MustCompile("`(?:([\\w/]+)\\.)?((?:Test|Fuzz|Benchmark|Example)[A-Z]\\w*)`") // pkg.TestX
	namedFile  = regexp.MustCompile("`([\\w/]+\\.go)`")
	namedFunc  = regexp.MustCompile("\\]\\(([^)#\\s]+\\.go)\\) `(?:\\w+\\.)?(\\w+)`") // [file.go](file.go) `Type.f`
	heading    = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInSlugs = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// tree is what pages can be right or wrong about.
type tree struct {
	root  string
	files []string
	tests map[string][]string // directories by the name of a function in their tests
}

func newTree(t *testing.T) tree {
	t.Helper()
	tr := tree{root: root(t), files: files(t), tests: make(map[string][]string)}
	for _, name := range tr.files {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		for line := range strings.Lines(tr.read(name)) {
			if f, isFunc := strings.CutPrefix(line, "func "); isFunc {
				f, _, _ = strings.Cut(f, "(")
				tr.tests[f] = append(tr.tests[f], path.Dir(name))
			}
		}
	}
	return tr
}

// read returns the text of a file, "" if there is none.
func (tr tree) read(name string) string {
	text, err := os.ReadFile(filepath.Join(tr.root, filepath.FromSlash(name)))
	if err != nil {
		return ""
	}
	return string(text)
}

// has reports whether there is a file or directory of that name, from the root.
func (tr tree) has(name string) bool {
	return slices.ContainsFunc(tr.files, func(f string) bool { return f == name || strings.HasPrefix(f, name+"/") })
}

// mistakes lists what a page in directory dir says and is not so.
func (tr tree) mistakes(dir, text string) []string {
	var found []string
	text = codeBlock.ReplaceAllString(text, "")
	for _, m := range namedTest.FindAllStringSubmatch(text, -1) {
		if pkg, name := m[1], m[2]; !tr.hasTest(pkg, name) {
			found = append(found, fmt.Sprintf("there is no %s in package %q", name, pkg))
		}
	}
	for _, m := range namedFile.FindAllStringSubmatch(text, -1) {
		if name := m[1]; !slices.ContainsFunc(tr.files, func(f string) bool { return strings.HasSuffix("/"+f, "/"+name) }) {
			found = append(found, "there is no file "+name)
		}
	}
	for _, m := range namedFunc.FindAllStringSubmatch(text, -1) {
		file, name := path.Join(dir, m[1]), m[2]
		declaration := regexp.MustCompile(`(?m)^(?:func (?:\([^)]*\) )?|type |var |const |\t)` + name + `\b`)
		if !declaration.MatchString(tr.read(file)) {
			found = append(found, fmt.Sprintf("%s declares no %s", file, name))
		}
	}
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		target, anchor := path.Join(dir, m[1]), m[2]
		switch {
		case strings.Contains(m[1], "://"):
		case m[1] != "" && !tr.has(target):
			found = append(found, "there is no "+target+" to link to")
		case anchor != "" && m[1] != "" && !slices.Contains(anchors(tr.read(target)), anchor):
			found = append(found, fmt.Sprintf("%s has no heading %s", target, anchor))
		}
	}
	return found
}

// hasTest reports whether a package has a test; "" is any package.
func (tr tree) hasTest(pkg, name string) bool {
	return slices.ContainsFunc(tr.tests[name], func(dir string) bool {
		return pkg == "" || strings.HasSuffix("/"+dir, "/"+pkg)
	})
}

// anchors are what the headings of a page are linked to by.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		slug := notInSlugs.ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, "#"+strings.ReplaceAll(slug, " ", "-"))
	}
	return all
}

// The tests that docs/spec.md names are what holds us to it, and a map with a wrong name in
// it is worse than none.
func TestDocsAreAboutThisTree(t *testing.T) {
	tr := newTree(t)
	pages := 0
	for _, name := range tr.files {
		if path.Ext(name) != ".md" {
			continue
		}
		pages++
		for _, m := range tr.mistakes(path.Dir(name), tr.read(name)) {
			t.Errorf("%s: %s", name, m)
		}
	}
	if pages < 10 {
		t.Errorf("only %d pages were found", pages)
	}
}

func TestMistakesOfDocsAreSeen(t *testing.T) {
	tr := newTree(t)
	for text, want := range map[string]bool{
		"`archtest.TestMistakesOfDocsAreSeen`, `TestMistakesOfDocsAreSeen`": false,
		"`cq.TestMistakesOfDocsAreSeen`":                                    true,
		"`archtest.TestNothing`":                                            true,
		"`doc.go`, `cq/doc.go`":                                             false,
		"`transport/nothing.go`":                                            true,
		"[`open`](client/opener.go) `Open`, `opener.Open`":                  false,
		"[`open`](client/opener.go) `Close`":                                true,
		"[x](docs/spec.md), [y](docs), [z](docs/spec.md#abuse)":             false,
		"[x](docs/nothing.md)":                                              true,
		"[x](docs/spec.md#nothing)":                                         true,
		"```\n[x](docs/nothing.md)\n```":                                    false,
		"[elsewhere](https://example.com/nothing)":                          false,
	} {
		if got := tr.mistakes(".", text); (len(got) > 0) != want {
			t.Errorf("%s: mistakes %q; want some: %v", text, got, want)
		}
	}
}

// guide is a package's list of its files by what they are about, under this heading: rows
// of names without .go and suffixes of platforms, comma-separated, two spaces, a text.
const guide = "# Where to find what"

// manyFiles is how many files, those of all platforms counted as one, a reader finds without
// a guide.
const manyFiles = 12

// guided returns the names in the guide of a package comment, nil without one.
func guided(doc string) []string {
	_, rest, ok := strings.Cut(doc, guide+"\n\n")
	if !ok {
		return nil
	}
	rows, _, _ := strings.Cut(rest, "\n\n")
	var names []string
	for row := range strings.Lines(rows) {
		list, _, _ := strings.Cut(strings.TrimSpace(row), "  ")
		names = append(names, strings.Split(list, ", ")...)
	}
	return names
}

// A file that its package's guide does not have is one that a reader does not find, and
// perhaps one that is about nothing new.
func TestGuidesHaveEveryFile(t *testing.T) {
	stems := make(map[string][]string) // by directory
	docs := make(map[string]string)
	for _, s := range allModules(t) {
		if s.isTest() || ast.IsGenerated(s.syntax) {
			continue
		}
		docs[s.dir()] += s.syntax.Doc.Text()
		stem, _, _ := strings.Cut(strings.TrimSuffix(path.Base(s.path), ".go"), "_")
		if stem != "doc" && !slices.Contains(stems[s.dir()], stem) {
			stems[s.dir()] = append(stems[s.dir()], stem)
		}
	}
	guides := 0
	for dir, doc := range docs {
		names := guided(doc)
		if names != nil {
			guides++
		}
		for _, m := range mistakesOfGuide(names, stems[dir]) {
			t.Errorf("%s: %s", dir, m)
		}
	}
	if guides < 2 { // transport and call
		t.Errorf("%d guides were found", guides)
	}
}

// mistakesOfGuide lists what is wrong with the guide to a package's files, nil if it has none.
func mistakesOfGuide(names, stems []string) []string {
	if names == nil {
		if len(stems) > manyFiles {
			return []string{fmt.Sprintf("%d files, and no guide to them (%s) in the package comment", len(stems), guide)}
		}
		return nil
	}
	var found []string
	for _, stem := range stems {
		if !slices.Contains(names, stem) {
			found = append(found, "the guide has no "+stem+".go")
		}
	}
	for i, name := range names {
		switch {
		case !slices.Contains(stems, name):
			found = append(found, "the guide has "+name+".go, which there is not")
		case slices.Contains(names[:i], name):
			found = append(found, "the guide has "+name+".go twice")
		}
	}
	return found
}

func TestMistakesOfGuidesAreSeen(t *testing.T) {
	for _, row := range []struct {
		names, stems []string
		want         int
	}{
		{nil, []string{"a", "b"}, 0},
		{nil, strings.Split("abcdefghijkl", ""), 0},
		{nil, strings.Split("abcdefghijklm", ""), 1},
		{[]string{"a", "b"}, []string{"b", "a"}, 0},
		{[]string{"a"}, []string{"a", "b"}, 1},
		{[]string{"a", "b"}, []string{"a"}, 1},
		{[]string{"a", "a"}, []string{"a"}, 1},
	} {
		if got := mistakesOfGuide(row.names, row.stems); len(got) != row.want {
			t.Errorf("guide %q to files %q: mistakes %q, want %d", row.names, row.stems, got, row.want)
		}
	}
}
