package reaction

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
)

// Op is one operation that a reactor asks for.
type Op struct {
	Kind  Kind
	Clash Set // beyond its own kind: what must not be outstanding
	Bars  Set // kinds that cannot be started any more after it
	Value any // the message to write, maybe Encoded, or where to read to
	Flags call.Flags
	// Status is that of Final; nil means a plain OK.
	Status *cqrpc.Status
}

// Early is the operations that were asked for before the call could take them:
// one of each kind, to be started in the order of the fields (C-core, callback
// API: a client's before StartCall, a server's before the handler returned).
type Early struct {
	Kinds  Set
	IsLast bool // nothing is written after Out
	Flags  call.Flags
	In     any // where Read reads to
	Out    any // what Write, or Final, writes
	Status *cqrpc.Status
}

// put adds an operation of a kind that is not in e.
func (e *Early) put(op *Op) {
	e.Kinds |= 1 << op.Kind
	switch op.Kind {
	case Read:
		e.In = op.Value
	case Write:
		e.Out, e.Flags, e.IsLast = op.Value, op.Flags, op.Bars.Has(Write)
	case Final:
		e.Status = op.Status
		if op.Value != nil {
			e.Out, e.Flags = op.Value, op.Flags
		}
	}
}
