package archtest

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// vague are names that say where something was put and not what it is.
var vague = []string{"util", "utils", "common", "helper", "helpers", "types", "misc", "impl", "manager"}

func TestFilesAreNamedAfterOneNoun(t *testing.T) {
	for _, name := range files(t) {
		for _, part := range strings.Split(name, "/") {
			stem, _, _ := strings.Cut(part, ".")
			if isVague(stem) {
				t.Errorf("%s: %q is a name for anything; name it after the one noun it is about", name, part)
			}
		}
	}
}

// isVague also sees through suffixes such as _test and _linux.
func isVague(stem string) bool {
	return slices.ContainsFunc(strings.Split(stem, "_"), func(word string) bool { return slices.Contains(vague, word) })
}

func TestVagueNamesAreSeen(t *testing.T) {
	for _, name := range []string{"util", "common", "types_test", "helpers_linux", "conn_util"} {
		if !isVague(name) {
			t.Errorf("%q passes", name)
		}
	}
	if isVague("utility") || isVague("conn") {
		t.Error("whole words only")
	}
}

// What a generator wrote is documented where it was generated from.
func TestEveryPackageHasADocComment(t *testing.T) {
	documented := make(map[string]bool)
	for _, s := range library(t) {
		if !s.isTest() && !ast.IsGenerated(s.syntax) {
			documented[s.dir()] = documented[s.dir()] || s.syntax.Doc != nil
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no file has a package comment; add doc.go with one sentence, a drawing if it helps, "+
				"and the concurrency contract", dir)
		}
	}
}

// Time passes on the fake clock of a synctest bubble or not at all: a test that
// sleeps on the wall clock is slow when it passes and wrong when it fails.
func TestNoTestSleepsOnTheWallClock(t *testing.T) {
	for _, s := range library(t) {
		if !s.isTest() {
			continue
		}
		for _, pos := range wallSleeps(s) {
			t.Errorf("%v: time.Sleep outside the function given to synctest.Test; wait for the event instead, or, "+
				"if this runs in a bubble all the same, say so at the end of the line: // fake clock", pos)
		}
	}
}

// wallSleeps finds the calls of time.Sleep that are neither inside an argument
// of synctest.Test nor marked as being on the fake clock.
func wallSleeps(s source) []token.Position {
	marked := markedLines(s)
	var found []token.Position
	ast.Inspect(s.syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		switch {
		case !ok:
			return true
		case isCall(call, "synctest", "Test"):
			return false
		case isCall(call, "time", "Sleep") && !marked[s.fset.Position(call.Pos()).Line]:
			at := s.fset.Position(call.Pos())
			at.Filename = s.path
			found = append(found, at)
		}
		return true
	})
	return found
}

func markedLines(s source) map[int]bool {
	lines := make(map[int]bool)
	for _, group := range s.syntax.Comments {
		for _, c := range group.List {
			if strings.Contains(c.Text, "fake clock") {
				lines[s.fset.Position(c.Pos()).Line] = true
			}
		}
	}
	return lines
}

// isCall reports whether call is pkg.name(…).
func isCall(call *ast.CallExpr, pkg, name string) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == pkg
}

func TestWallSleepsAreSeen(t *testing.T) {
	s := parse(t, "internal/archtest/testdata/sleeps.go")
	var lines []int
	for _, pos := range wallSleeps(s) {
		lines = append(lines, pos.Line)
	}
	if want := []int{13}; !slices.Equal(lines, want) {
		t.Errorf("sleeps on the wall clock in lines %v, want %v", lines, want)
	}
}

// Nothing in the tree is skipped: a test that may not run proves nothing.
func TestNoTestIsSkipped(t *testing.T) {
	for _, s := range library(t) {
		if !s.isTest() {
			continue
		}
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && isSkip(call) {
				t.Errorf("%s:%d: skips a test; make it run everywhere or move it where it can",
					s.path, s.fset.Position(call.Pos()).Line)
			}
			return true
		})
	}
}

// isSkip reports whether call is Skip of a testing.T, B, F or TB by one of the
// names they always have.
func isSkip(call *ast.CallExpr) bool {
	for _, receiver := range []string{"t", "b", "f", "tb"} {
		for _, method := range []string{"Skip", "Skipf", "SkipNow"} {
			if isCall(call, receiver, method) {
				return true
			}
		}
	}
	return false
}
