package reactor

import "sync/atomic"

// tenure is until when a call of a [Reusing] method has the memory that it has: until all have
// left who know of it.
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

// leaveIfShort is leave of the opening if the call was all over for the application when its
// handler returned: it has finished the default reactor, and nobody else can have kept anything.
func (r *rpc) leaveIfShort() {
	t := r.method.tenure()
	if t == nil || !t.isBrief || r.accepted.IsFiltered() {
		return
	}
	if d := r.method.spare(); r.base == &d.base {
		r.leave()
	}
}
