package leak

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// module is what makes a stack ours: import paths begin with it.
const module = "github.com/cqrpc/cqrpc"

// lastWait is the longest pause between two looks. Pauses double from 1 ms, so
// what a test leaves behind has about two seconds to end.
const lastWait = 1024 * time.Millisecond

// goroutine is one entry of a stack dump.
type goroutine struct {
	id    string // "goroutine 12"
	stack string
}

// Check fails t, when it ends, for every goroutine of ours that runs then and
// did not run at the call.
func Check(t testing.TB) {
	t.Helper()
	before := make(map[string]bool)
	for _, g := range ours() {
		before[g.id] = true
	}
	t.Cleanup(func() {
		for _, g := range leftover(before) {
			t.Errorf("leaked %s", g.stack)
		}
	})
}

// Main runs the tests of a package and fails it for every goroutine of ours
// that is left. It does not return; give it to TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if code != 0 {
		os.Exit(code) // failed tests leave things behind; one cause at a time
	}
	left := leftover(nil)
	for _, g := range left {
		fmt.Fprintf(os.Stderr, "leaked %s\n\n", g.stack)
	}
	if len(left) > 0 {
		os.Exit(1)
	}
	os.Exit(0)
}

// leftover returns the goroutines of ours not in before that outlive the grace.
func leftover(before map[string]bool) []goroutine {
	var left []goroutine
	eventually(func() bool {
		left = left[:0]
		for _, g := range ours() {
			if !before[g.id] {
				left = append(left, g)
			}
		}
		return len(left) == 0
	})
	return left
}

// eventually looks until ok holds or the grace is over.
func eventually(ok func() bool) {
	for wait := time.Millisecond; !ok() && wait <= lastWait; wait *= 2 {
		time.Sleep(wait)
	}
}

// ours lists the goroutines with code of this module on their stack, except the
// caller's own and those that run tests. In a bubble these are the bubble's: the
// grace passes at once there, and what is outside, be it a timer of an earlier test
// or a cleanup that the runtime runs, may need longer.
func ours() []goroutine {
	var all []goroutine
	bubble := bubbleOf(own())
	for i, stack := range strings.Split(dump(), "\n\n") {
		id, _, _ := strings.Cut(stack, " [")
		if i > 0 && isOurs(stack) && (bubble == "" || bubbleOf(stack) == bubble) {
			all = append(all, goroutine{id, stack})
		}
	}
	return all
}

func isOurs(stack string) bool {
	return strings.Contains(stack, module) &&
		!strings.Contains(stack, "testing.tRunner(") &&
		!strings.Contains(stack, "testing.fRunner(") &&
		!strings.Contains(stack, "testing.(*M).") &&
		!strings.Contains(stack, "testing.(*T).Run(") &&
		!strings.Contains(stack, "testing/synctest.")
}

// dump returns the stacks of all goroutines, the caller's first.
func dump() string {
	buf := make([]byte, 64<<10)
	for {
		if n := runtime.Stack(buf, true); n < len(buf) {
			return string(buf[:n])
		}
		buf = make([]byte, 2*len(buf))
	}
}
