package leak

import (
	"testing"

	"github.com/cqrpc/cqrpc/internal/mem"
)

// Buffers fails t, when it ends, for every mem.Buffer made after the call and
// not freed, and says where each was made.
func Buffers(t testing.TB) {
	t.Helper()
	tracker := mem.Track()
	t.Cleanup(func() {
		eventually(func() bool { return len(tracker.Leaks()) == 0 })
		tracker.Stop()
		for _, l := range tracker.Leaks() {
			t.Errorf("leaked %s", l)
		}
	})
}
