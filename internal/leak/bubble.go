package leak

import (
	"runtime"
	"strings"
)

// InBubble is how many goroutines the caller's synctest bubble has, the caller's
// own among them. After synctest.Wait it is exact: what earlier tests of the
// process left on its way out, which runtime.NumGoroutine counts, is not in it.
// It panics outside a bubble.
func InBubble() int {
	bubble := bubbleOf(own())
	if bubble == "" {
		panic("leak: InBubble is called outside a synctest bubble")
	}
	n := 0
	for stack := range strings.SplitSeq(dump(), "\n\n") {
		if bubbleOf(stack) == bubble {
			n++
		}
	}
	return n
}

// bubbleOf is what the header of a stack says of its bubble: "synctest bubble 7"
// for "goroutine 35 [chan receive, 2 minutes, synctest bubble 7]:", "" if it is
// in none.
func bubbleOf(stack string) string {
	header, _, _ := strings.Cut(stack, "]:\n")
	_, state, _ := strings.Cut(header, " [")
	for part := range strings.SplitSeq(state, ", ") {
		if strings.HasPrefix(part, "synctest bubble ") {
			return part
		}
	}
	return ""
}

// own is the stack of the goroutine that calls, its header in any case.
func own() string {
	var buf [1 << 10]byte
	return string(buf[:runtime.Stack(buf[:], false)])
}
