package cq

// Discard is a Completer for operations whose end nobody wants to know: the event
// is finalized, so that what the operation held is given back, and dropped. It
// accepts any number of operations at any time.
//
// The finalizer runs where the operation is found to have ended, which is the
// engine's own goroutine: start no operation on it that unmarshals a message.
var Discard Completer = discard{}

type discard struct{}

func (discard) Begin() bool { return true }

func (discard) Complete(c Completion) {
	var ev Event
	c.finalizeInto(&ev)
}
