package cq

import "fmt"

// Tag names an operation to the application: the value given when the
// operation was started comes back, unchanged, in exactly one [Event].
// Pointer-shaped values are recommended (they are stored without allocating).
// Tags are opaque: never compared except by Pluck, never de-duplicated.
type Tag = any

// Kind says what an [Event] is (C-core grpc_completion_type).
type Kind uint8

const (
	// OpComplete carries a tag: the operation it names has ended.
	OpComplete Kind = iota + 1
	// Timeout: the context or deadline ended before an event was available.
	Timeout
	// Shutdown: the queue is shut down and drained; no event will ever follow.
	Shutdown
	// Misuse: the call is not allowed on this queue; Err says why.
	Misuse
)

// String returns the name in C-core's spelling, "OP_COMPLETE".
func (k Kind) String() string {
	switch k {
	case OpComplete:
		return "OP_COMPLETE"
	case Timeout:
		return "TIMEOUT"
	case Shutdown:
		return "SHUTDOWN"
	case Misuse:
		return "MISUSE"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Event is what Next and Pluck return.
type Event struct {
	Kind Kind
	// OK reports whether the operation succeeded; meaningful for OpComplete.
	// What success means depends on the operation (package call).
	OK bool
	// Tag is what the operation was started with; nil unless OpComplete.
	Tag Tag
	// Err is the reason of OK=false when the engine knows one, the context's
	// error for Timeout, and the misuse for Misuse. It is nil when OK.
	Err error
}

// Finalizer is run by the goroutine that harvests a completion, before the
// event is returned to the application and with no lock held: decoding happens
// where the result is wanted. It may change the event; returning false
// swallows it, and the harvester goes on to the next one.
type Finalizer interface {
	Finalize(ev *Event) bool
}

// Completion is the end of one operation on its way to the application.
type Completion struct {
	Tag       Tag
	OK        bool
	Finalizer Finalizer // may be nil
}

// Completer is where completions go: a [Queue], a [Waiter] or [Discard].
// Every Begin that returned true is followed by exactly one Complete.
type Completer interface {
	// Begin announces one operation. It reports false, and announces nothing,
	// if the completer is shut down and has no operation left.
	Begin() bool
	// Complete ends one announced operation. It never blocks, and never runs
	// application code on the caller's stack, except for a Queue with the Executor
	// [Inline].
	Complete(c Completion)
}
