package leak_test

import (
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc/internal/leak"
)

// A goroutine elsewhere that begins or ends meanwhile is not counted.
func TestInBubbleCountsItsOwnOnly(t *testing.T) {
	elsewhere := make(chan struct{})
	go parkOnPurpose(elsewhere)
	synctest.Test(t, func(t *testing.T) {
		before := leak.InBubble()
		release := make(chan struct{})
		for range 3 {
			go parkOnPurpose(release)
		}
		close(elsewhere)
		synctest.Wait()
		if n := leak.InBubble() - before; n != 3 {
			t.Errorf("%d goroutines more, want 3", n)
		}
		close(release)
		synctest.Wait()
		if n := leak.InBubble() - before; n != 0 {
			t.Errorf("%d goroutines more after they ended", n)
		}
	})
}

func TestInBubbleNeedsABubble(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("outside a bubble it does not panic")
		}
	}()
	leak.InBubble()
}
