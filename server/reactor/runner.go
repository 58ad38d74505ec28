package reactor

import (
	"runtime/debug"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/reaction"
	"github.com/cqrpc/cqrpc/server"
)

// runner is base as its mailbox sees it: it runs the application's reactions.
type runner base

var _ reaction.Reactor = (*runner)(nil)

// The parts of a reactor that not all have.
type (
	readReactions  interface{ OnReadDone(ok bool) }
	writeReactions interface{ OnWriteDone(ok bool) }
)

// React implements reaction.Reactor.
func (r *runner) React(k reaction.Kind, ok bool, message cq.Finalizer) {
	hasReturned := false
	defer func() {
		if !hasReturned { // panic, or runtime.Goexit
			r.panicked(recover(), debug.Stack())
		}
	}()
	r.react(k, ok, message)
	hasReturned = true
}

func (r *runner) react(k reaction.Kind, ok bool, message cq.Finalizer) {
	switch k {
	case reaction.Header:
		r.outer.OnSendInitialMetadataDone(ok)
	case reaction.Read:
		if message != nil {
			ok = r.harvest(cq.Completion{OK: ok, Finalizer: message})
		}
		r.outer.(readReactions).OnReadDone(ok)
	case reaction.Write:
		r.outer.(writeReactions).OnWriteDone(ok)
	case reaction.Close:
		r.outer.OnCancel()
	default:
		panic("BUG: reactor: a server has no such reaction")
	}
}

// harvest decodes what a Read has brought. If the codec panics, or ends its goroutine
// (runtime.Goexit), there is no message, and the call ends.
func (r *runner) harvest(c cq.Completion) (ok bool) {
	hasReturned := false
	defer func() {
		if hasReturned {
			return
		}
		if v := recover(); v != nil {
			r.panicked(v, debug.Stack())
			return
		}
		r.box.Tell(reaction.Read, false) // its reaction is still to come; React does the rest
	}()
	ok = c.Harvest()
	hasReturned = true
	return ok
}

// panicked finishes a call if one of its reactions did not return. The others, and
// OnDone, still run.
func (r *runner) panicked(v any, stack []byte) {
	(*base)(r).Finish(server.StatusPanicked)
	r.rpc.accepted.Panicked(v, stack)
}

// Exhausted implements reaction.Reactor: the call was cancelled and its reactor
// did not finish it. There is nothing left to send a status on.
func (r *runner) Exhausted() {
	r.rpc.release()
	if r.isQuiet { // and so no Done will come
		r.rpc.done()
	}
	r.box.End(reaction.Final)
}

// Done implements reaction.Reactor.
func (r *runner) Done() {
	hasReturned := false
	defer func() {
		if !hasReturned {
			r.rpc.accepted.Panicked(recover(), debug.Stack())
		}
		r.rpc.done()
	}()
	r.outer.OnDone()
	hasReturned = true
}
