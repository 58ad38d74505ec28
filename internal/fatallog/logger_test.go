package fatallog

import (
	"strings"
	"testing"
)

// witness is a test that notes what it is failed with.
type witness struct {
	testing.TB
	errors []string
}

func (w *witness) Error(args ...any) { w.errors = append(w.errors, args[0].(string)) }

func TestFatalFailsTheTestAndNotTheProcess(t *testing.T) {
	for name, fatal := range map[string]func(){
		"Fatal":      func() { Logger.Fatal("got 1", ", want 2") },
		"Fatalln":    func() { Logger.Fatalln("got 1, want", 2) },
		"Fatalf":     func() { Logger.Fatalf("got %d, want %d", 1, 2) },
		"FatalDepth": func() { Logger.FatalDepth(1, "got 1, want", 2) },
	} {
		w := new(witness)
		func() {
			defer Report(w)
			fatal()
			t.Errorf("%s has returned", name)
		}()
		if len(w.errors) != 1 || strings.TrimSpace(w.errors[0]) != "got 1, want 2" {
			t.Errorf("%s fails the test with %q", name, w.errors)
		}
	}
}

func TestReportOfNothing(t *testing.T) {
	w := new(witness)
	func() { defer Report(w) }()
	if len(w.errors) > 0 {
		t.Errorf("a case without findings fails the test with %q", w.errors)
	}
}

func TestOtherPanicsGoOn(t *testing.T) {
	defer func() {
		if recover() != "mine" {
			t.Error("the panic of somebody else was taken for a finding")
		}
	}()
	defer Report(t)
	panic("mine")
}
