package conformance

import (
	"slices"
	"testing"

	"github.com/cqrpc/cqrpc/internal/leak"
)

// TestNoBufferIsLeft runs the scenarios once more, one at a time, and counts
// message buffers: however a call ends, each has been freed when both ends are
// closed.
func TestNoBufferIsLeft(t *testing.T) {
	for _, s := range scenarios {
		if slices.Contains(heavy, s.name) {
			continue
		}
		for _, p := range pairings(t) {
			if p.isReference() || p.credentials != nil {
				continue
			}
			t.Run(s.name+"/"+p.name(), func(t *testing.T) {
				leak.Buffers(t)
				s.run(t, p)
			})
		}
	}
}
