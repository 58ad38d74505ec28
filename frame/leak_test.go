package frame

import (
	"testing"

	"github.com/cqrpc/cqrpc/internal/mem"
)

// trackBuffers fails the test if it ends with a mem.Buffer not freed.
func trackBuffers(t *testing.T) {
	t.Helper()
	tracker := mem.Track()
	t.Cleanup(func() {
		tracker.Stop()
		for _, leak := range tracker.Leaks() {
			t.Errorf("buffer not freed: %s", leak)
		}
	})
}
