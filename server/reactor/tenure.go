package reactor

import "sync/atomic"

// tenure is until when a call has the memory that it has, if its method is [Reusing]: until
// all have left who know of it. The zero value never ends.
//
//	opening   the handler has returned and its reactor has run
//	closing   has told of the end of the call
//	parting   has told that the status is out
//
// Only calls that are short have an opening that leaves: of others the application
// may know for longer.
type tenure struct{ left atomic.Int32 }

const tenants = 3

func (t *tenure) begin() { t.left.Store(tenants) }

// leave is what each of them does last. It reports whether it was the last of them.
func (t *tenure) leave() bool { return t.left.Load() > 0 && t.left.Add(-1) == 0 }

// leave gives the call's memory away once nobody is left who knows of it.
func (r *rpc) leave() {
	if r.tenure.leave() {
		r.method.recycle()
	}
}

// isShort reports whether a call that was opened was all over for the application when its handler
// returned: it has finished the default reactor, and nobody else can have kept anything.
func (r *rpc) isShort() bool {
	d := r.method.spare()
	return r.isBrief && d != nil && r.base == &d.base && !r.accepted.IsFiltered()
}
