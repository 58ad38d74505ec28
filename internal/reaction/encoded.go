package reaction

import "github.com/cqrpc/cqrpc/call"

// Encoded is a message to write that no codec has to see: one reference to it,
// which is passed on with the Encoded or dropped.
type Encoded struct{ Buffer *call.Buffer }

// Message is the operation that sends v, an Encoded or what a codec marshals.
func Message(v any, flags call.Flags) call.Op {
	if e, ok := v.(Encoded); ok {
		return call.SendMessage(e.Buffer).With(flags)
	}
	return call.SendValue(v).With(flags)
}

// Drop frees v if it is an Encoded: no call has taken it.
func Drop(v any) {
	if e, ok := v.(Encoded); ok {
		e.Buffer.Free()
	}
}
