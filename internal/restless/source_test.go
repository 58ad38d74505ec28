package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The Go that runs the tests is one that restless knows: its files can be changed, and what
// comes out is Go.
func TestOverlay(t *testing.T) {
	src, err := standardLibrary()
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := writeOverlay(src, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "sync").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What a Go that is not known lacks is named.
func TestUnknownGo(t *testing.T) {
	if _, err := preemptSoon("proc.go", "package runtime"); err == nil || !strings.Contains(err.Error(), "proc.go has no") {
		t.Errorf("no time slice: %v", err)
	}
	if _, err := yieldIn("Lock")("mutex.go", "package sync"); err == nil || !strings.Contains(err.Error(), "no method Lock") {
		t.Errorf("no method: %v", err)
	}
}
