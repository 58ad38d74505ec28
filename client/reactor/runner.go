package reactor

import (
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/reaction"
)

// runner is base as its mailbox sees it: it runs the application's reactions.
type runner base

var _ reaction.Reactor = (*runner)(nil)

// The parts of a reactor that not all have.
type (
	readReactions  interface{ OnReadDone(ok bool) }
	writeReactions interface {
		OnWriteDone(ok bool)
		OnWritesDoneDone(ok bool)
	}
)

// React implements reaction.Reactor.
func (r *runner) React(k reaction.Kind, ok bool, message cq.Finalizer) {
	switch k {
	case reaction.Header:
		r.outer.(HeaderReactor).OnReadInitialMetadataDone(ok)
	case reaction.Read:
		if message != nil {
			ok = r.harvest(k, cq.Completion{OK: ok, Finalizer: message})
		}
		r.outer.(readReactions).OnReadDone(ok)
	case reaction.Write:
		r.outer.(writeReactions).OnWriteDone(ok)
	case reaction.WritesDone:
		r.outer.(writeReactions).OnWritesDoneDone(ok)
	case reaction.Final:
		f := r.ending
		r.ending = nil
		r.harvest(k, cq.Completion{OK: ok, Finalizer: f})
	default:
		panic("BUG: reactor: a client has no such operation")
	}
}

// harvest decodes what an operation has brought. A codec that ends its goroutine
// (runtime.Goexit) has decoded nothing: the call fails, whatever it has ended with. One
// that panics ends the process.
func (r *runner) harvest(k reaction.Kind, c cq.Completion) (ok bool) {
	hasReturned := false
	defer func() {
		if hasReturned {
			return
		}
		(*base)(r).misuse(errPanicked.Error())
		if k == reaction.Read { // its reaction is still to come
			r.box.Tell(k, false)
		}
	}()
	ok = c.Harvest()
	hasReturned = true
	return ok
}

// Exhausted implements reaction.Reactor: nobody can read or write any more, so
// the server is told, and nothing unread holds back the status.
func (r *runner) Exhausted() {
	c := r.prepared.Call
	if r.box.Bar(writes) {
		ops := [1]call.Op{call.SendClose()}
		(*base)(r).must(c.StartBatchOn(cq.Discard, ops[:], nil))
	}
	if r.response == nil { // else the one response is awaited, and that it is the only one
		c.StopReceiving()
	}
}

// Done implements reaction.Reactor.
func (r *runner) Done() {
	c := r.prepared.Call
	c.StopReceiving() // what is unread stays so
	if r.prepared.Tells() {
		r.prepared.Tell(c.InitialMetadata(), c.TrailingMetadata())
	}
	r.outer.OnDone(r.verdict())
}

// verdict is the status of the call, or the first mistake and, if that has not
// ended the call, what has.
func (r *runner) verdict() cqrpc.Status {
	f := r.fault.Load()
	if f == nil {
		return r.status
	}
	st := cqrpc.Status{Code: cqrpc.CodeInternal, Message: *f}
	if r.status.Code != st.Code || r.status.Message != st.Message {
		st.Message += fmt.Sprintf(" (the call had ended with %v)", r.status)
	}
	return st
}
