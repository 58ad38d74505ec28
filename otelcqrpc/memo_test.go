package otelcqrpc

import (
	"strconv"
	"testing"
)

// However many names a peer invents, what is remembered of them has an end.
func TestMemoIsBounded(t *testing.T) {
	var m memo[string, string]
	for i := range maxKnown + 1000 {
		name := strconv.Itoa(i)
		for range 2 {
			if got := m.get(name, func() string { return name }); got != name {
				t.Fatalf("%q became %q", name, got)
			}
		}
	}
	known := 0
	m.known.Range(func(any, any) bool { known++; return true })
	if known != maxKnown {
		t.Errorf("%d values are remembered, want %d", known, maxKnown)
	}
	made := false
	m.get("7", func() string { made = true; return "" })
	if made {
		t.Error("what is remembered is made again")
	}
}
