package conformance

import (
	"slices"
	"testing"

	"github.com/cqrpc/cqrpc/internal/leak"
)

// TestNoBufferIsLeft runs the scenarios once more, one at a time, and counts
// message buffers: however a call ends, each has been freed when both ends are
// closed. Buffers do not depend on who the peer is, so it is cqrpc.
func TestNoBufferIsLeft(t *testing.T) {
	for _, s := range scenarios {
		if slices.Contains(heavy, s.name) {
			continue
		}
		for _, p := range pairings(t) {
			if p.credentials != nil || p.caller.name == "grpc-go" || p.host.name == "grpc-go" {
				continue
			}
			t.Run(s.name+"/"+p.name(), func(t *testing.T) {
				leak.Buffers(t)
				s.run(t, p)
			})
		}
	}
}
