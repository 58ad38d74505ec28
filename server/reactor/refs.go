package reactor

import "sync/atomic"

// tenure counts who still uses the memory of a call of a [Reusing] method: when all have left,
// another call may have it.
//
//	opening   the handler has returned and its reactor has run
//	closing   has told of the end of the call
//	parting   has told that the status is out
//
// Only calls that are short have an opening that leaves: of others the application
// may know for longer.
type tenure struct {
	left atomic.Int32

	// opening's
	isBrief bool // the handler has finished the call, and asked for nothing else
}

const tenants = 3

func (t *tenure) begin() { t.left.Store(tenants) }

// leave is what each of them does last.
func (r *rpc) leave() {
	if t := r.method.tenure(); t != nil && t.left.Add(-1) == 0 {
		r.method.recycle()
	}
}

// leaveIfShort is leave for the opening, if the application was done with the call when its handler
// returned: it has finished the default reactor, and nobody else can have kept anything.
func (r *rpc) leaveIfShort() {
	t := r.method.tenure()
	if t == nil || !t.isBrief || r.accepted.IsFiltered() {
		return
	}
	if d := r.method.spare(); r.base == &d.base {
		r.leave()
	}
}
