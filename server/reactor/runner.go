package reactor

import (
	"runtime/debug"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/reaction"
	"github.com/cqrpc/cqrpc/server"
)

// audience is base as its mailbox sees it: it runs the application's reactions.
type audience base

var _ reaction.Reactor = (*audience)(nil)

// The parts of a reactor that not all have.
type (
	reader interface{ OnReadDone(ok bool) }
	scribe interface{ OnWriteDone(ok bool) }
)

// React implements reaction.Reactor.
func (a *audience) React(k reaction.Kind, ok bool, message cq.Finalizer) {
	hasReturned := false
	defer func() {
		if !hasReturned { // panic, or runtime.Goexit
			a.panicked(recover(), debug.Stack())
		}
	}()
	a.react(k, ok, message)
	hasReturned = true
}

func (a *audience) react(k reaction.Kind, ok bool, message cq.Finalizer) {
	switch k {
	case reaction.Header:
		a.outer.OnSendInitialMetadataDone(ok)
	case reaction.Read:
		if message != nil {
			ok = a.harvest(cq.Completion{OK: ok, Finalizer: message})
		}
		a.outer.(reader).OnReadDone(ok)
	case reaction.Write:
		a.outer.(scribe).OnWriteDone(ok)
	case reaction.Close:
		a.outer.OnCancel()
	default:
		panic("BUG: reactor: a server has no such reaction")
	}
}

// harvest decodes what a Read has brought. If the codec panics, or ends its goroutine
// (runtime.Goexit), there is no message, and the call ends.
func (a *audience) harvest(c cq.Completion) (ok bool) {
	hasReturned := false
	defer func() {
		if hasReturned {
			return
		}
		if v := recover(); v != nil {
			a.panicked(v, debug.Stack())
			return
		}
		a.box.Tell(reaction.Read, false) // its reaction is still to come; React does the rest
	}()
	ok = c.Harvest()
	hasReturned = true
	return ok
}

// panicked finishes a call if one of its reactions did not return. The others, and
// OnDone, still run.
func (a *audience) panicked(v any, stack []byte) {
	(*base)(a).Finish(server.StatusPanicked)
	a.rpc.accepted.Panicked(v, stack)
}

// Exhausted implements reaction.Reactor: the call was cancelled and its reactor
// did not finish it. There is nothing left to send a status on.
func (a *audience) Exhausted() {
	a.rpc.release()
	if a.isQuiet { // and so no Done will come
		a.rpc.done()
	}
	a.box.End(reaction.Final)
}

// Done implements reaction.Reactor.
func (a *audience) Done() {
	hasReturned := false
	defer func() {
		if !hasReturned {
			a.rpc.accepted.Panicked(recover(), debug.Stack())
		}
		a.rpc.done()
	}()
	a.outer.OnDone()
	hasReturned = true
}
