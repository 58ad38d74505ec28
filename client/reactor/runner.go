package reactor

import (
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/reaction"
)

// audience is base as its mailbox sees it: it runs the application's reactions.
type audience base

var _ reaction.Reactor = (*audience)(nil)

// The parts of a reactor that not all have.
type (
	reader interface{ OnReadDone(ok bool) }
	scribe interface {
		OnWriteDone(ok bool)
		OnWritesDoneDone(ok bool)
	}
)

// React implements reaction.Reactor.
func (a *audience) React(k reaction.Kind, ok bool, message cq.Finalizer) {
	switch k {
	case reaction.Header:
		a.outer.(HeaderReactor).OnReadInitialMetadataDone(ok)
	case reaction.Read:
		if message != nil {
			ok = a.harvest(k, cq.Completion{OK: ok, Finalizer: message})
		}
		a.outer.(reader).OnReadDone(ok)
	case reaction.Write:
		a.outer.(scribe).OnWriteDone(ok)
	case reaction.WritesDone:
		a.outer.(scribe).OnWritesDoneDone(ok)
	case reaction.Final:
		f := a.ending
		a.ending = nil
		a.harvest(k, cq.Completion{OK: ok, Finalizer: f})
	default:
		panic("BUG: reactor: a client has no such operation")
	}
}

// harvest decodes what an operation has brought. A codec that ends its goroutine
// (runtime.Goexit) has decoded nothing: the call fails, whatever it has ended with. One
// that panics ends the process.
func (a *audience) harvest(k reaction.Kind, c cq.Completion) (ok bool) {
	hasReturned := false
	defer func() {
		if hasReturned {
			return
		}
		(*base)(a).misuse(errPanicked.Error())
		if k == reaction.Read { // its reaction is still to come
			a.box.Tell(k, false)
		}
	}()
	ok = c.Harvest()
	hasReturned = true
	return ok
}

// Exhausted implements reaction.Reactor: nobody can read or write any more, so
// the server is told, and nothing unread holds back the status.
func (a *audience) Exhausted() {
	c := a.prepared.Call
	if a.box.Bar(writes) {
		ops := [1]call.Op{call.SendClose()}
		(*base)(a).must(c.StartBatchOn(cq.Discard, ops[:], nil))
	}
	if a.response == nil { // else the one response is awaited, and that it is the only one
		c.StopReceiving()
	}
}

// Done implements reaction.Reactor.
func (a *audience) Done() {
	c := a.prepared.Call
	c.StopReceiving() // what is unread stays so
	if a.prepared.Tells() {
		a.prepared.Tell(c.InitialMetadata(), c.TrailingMetadata())
	}
	a.outer.OnDone(a.verdict())
}

// verdict is the status of the call, or the first mistake and, if that has not
// ended the call, what has.
func (a *audience) verdict() cqrpc.Status {
	f := a.fault.Load()
	if f == nil {
		return a.status
	}
	st := cqrpc.Status{Code: cqrpc.CodeInternal, Message: *f}
	if a.status.Code != st.Code || a.status.Message != st.Message {
		st.Message += fmt.Sprintf(" (the call had ended with %v)", a.status)
	}
	return st
}
