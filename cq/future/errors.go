package future

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrPending is the error of a Next while the last one is not resolved, and
	// of a Send while one message is on its way and another waits: the
	// application does not wait for the futures it was given. Nothing was done.
	ErrPending = errors.New("future: the operation before this one has not finished")
	// ErrClosed is the error of using a sink or a stream after its Close, and of
	// answering a call twice. Nothing was done.
	ErrClosed = errors.New("future: closed")
	// ErrFinished is the error of sending on a call that has ended with OK: the
	// peer wants no more. A call that ended otherwise gives its own error.
	ErrFinished = errors.New("future: the call has finished")
	// ErrNone is the error of choosing among no futures, and of a function given
	// to Then that returned no future.
	ErrNone = errors.New("future: there is no future")
)

// errNoError stands in for the error that Fail was not given.
var errNoError = errors.New("future: failed without an error")

// PanicError is the error of a future whose function panicked, or ended its
// goroutine.
type PanicError struct {
	Value any    // what was given to panic; nil for runtime.Goexit
	Stack []byte // of the goroutine that panicked
}

// Error returns one line with the value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("future: panic: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// OpenError is what [Environment.Close] found in flight and cancelled.
type OpenError struct {
	// Calls has one entry for each call: its side, its method, and which ends
	// of it the application had not closed, "client /pkg.Service/Method: sink,
	// stream". Sorted.
	Calls []string
}

// maxListed is how many different entries the text of an OpenError names.
const maxListed = 8

// Error returns one line: how many calls, and the first few different entries.
func (e *OpenError) Error() string {
	var b strings.Builder
	b.WriteString("future: environment closed with " + plural(len(e.Calls), "call") + " in flight")
	listed := 0
	for i, c := range e.Calls {
		if i > 0 && e.Calls[i-1] == c {
			continue
		}
		if listed++; listed > maxListed {
			b.WriteString("; ...")
			break
		}
		b.WriteString("; " + c)
	}
	return b.String()
}

// plural counts things in a text.
func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
