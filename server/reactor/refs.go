package reactor

import "sync/atomic"

// refs counts the references to the memory of a call of a [Reusing] method: when there is none
// left, another call may have it. There are three:
//
//	opening     until the handler has returned and its reactor has run
//	closing     until it has told of the end of the call
//	finishing   until it has told that the status is out
//
// That of opening is given up only if the call is short: to others the application may have kept
// references of its own.
type refs struct {
	count atomic.Int32

	// opening's
	isShort bool // the handler has finished the call, and asked for nothing else
}

const allRefs = 3

func (r *refs) init() { r.count.Store(allRefs) }

// unref is what each of the three does last.
func (r *rpc) unref() {
	if n := r.method.refs(); n != nil && n.count.Add(-1) == 0 {
		r.method.recycle()
	}
}

// unrefIfShort is unref for the opening, if the application was done with the call when its handler
// returned: it has finished the default reactor, and nobody else can have kept anything.
func (r *rpc) unrefIfShort() {
	n := r.method.refs()
	if n == nil || !n.isShort || r.accepted.IsFiltered() {
		return
	}
	if d := r.method.spare(); r.base == &d.base {
		r.unref()
	}
}
