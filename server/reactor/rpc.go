package reactor

import (
	"runtime/debug"
	"sync/atomic"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/reaction"
	"github.com/cqrpc/cqrpc/server"
)

// rpc is one call until it has a reactor, and what is the call's afterwards. It
// is one allocation, with the request and the response.
//
//	reader   {RECV_CLOSE} ─────────────────────────────► closing: ctx ends, OnCancel
//	         {RECV_MESSAGE} ─► arriving (one request)
//	loop     opening: handler ─► reactor ─► what it has asked for ─► Mailbox.Run
type rpc struct {
	// immutable
	accepted server.Accepted
	method   exchange
	ctx      Context

	base *base // of the reactor; written before fate says so

	// atomic
	fate       fates
	isReleased atomic.Bool
	isDone     atomic.Bool
}

// arrival is the one request of a method that has one: arriving's, then opening's.
type arrival struct {
	first   cq.Finalizer // of the batch that received message
	message *call.Buffer
}

// exchange is the part of a call that knows the types of its messages.
type exchange interface {
	// home is where the call's reactions run.
	home() *reaction.Loop
	// arrival is of methods with one request, nil if there are many; request is what
	// it is unmarshalled into.
	arrival() *arrival
	request() any
	// response is that of methods with one, else nil.
	response() any
	// serve calls the handler; a nil base is a nil reactor.
	serve() (*base, Reactions)
	// spare is the default reactor, nil if it is no use.
	spare() *DefaultReactor
	// refs is of calls whose memory is used again, else nil; recycle gives it to the
	// next one.
	refs() *refs
	recycle()
}

// accept takes a call on its way in. It runs on the connection's goroutine.
func (r *rpc) accept(a server.Accepted, x exchange) {
	r.accepted, r.method = a, x
	r.ctx.rpc = r
	r.ctx.ForStyle().Bind(a.Call, (*closing)(r))
	one := x.arrival()
	if one == nil {
		x.home().Post((*opening)(r))
		return
	}
	ops := [1]call.Op{call.RecvMessage(&one.message)}
	if err := a.Call.StartBatchOn((*arriving)(r), ops[:], nil); err != nil {
		panic("BUG: reactor: " + err.Error())
	}
}

// arriving completes the one request. A call that has died needs no reactor.
type arriving rpc

func (*arriving) Begin() bool { return true }

// Host returns whose goroutines run the handler.
func (v *arriving) Host() cq.Host { return v.method.home().Host() }

func (v *arriving) Complete(c cq.Completion) {
	v.method.arrival().first = c.Finalizer
	if c.OK {
		v.method.home().Post((*opening)(v))
		return
	}
	r := (*rpc)(v)
	r.drop()
	r.done()
}

// drop takes the request that nobody wants.
func (r *rpc) drop() {
	one := r.method.arrival()
	if one.first != nil {
		call.Drop(one.first)
		one.first = nil
	}
	one.message.Free()
	one.message = nil
}

// closing is told of the end of the call: OK means not cancelled.
type closing rpc

func (*closing) Begin() bool { panic("BUG: reactor: nobody begins RECV_CLOSE here") }

func (v *closing) Complete(c cq.Completion) {
	next := cancelled
	if c.OK {
		next = ended
	}
	if !v.fate.end(next) {
		v.base.closed(next)
	}
	(*rpc)(v).unref()
}

// closed says how the call has ended.
func (b *base) closed(how fate) {
	if how == cancelled && !b.isQuiet {
		b.box.Tell(reaction.Close, true)
		return
	}
	b.box.End(reaction.Close)
}

// opening is the task that makes the reactor and runs it.
type opening rpc

// Run implements cq.Callback.
func (v *opening) Run(cq.Event) {
	r := (*rpc)(v)
	if r.open() {
		r.base.box.Run(cq.Event{})
		r.unrefIfShort()
	}
}

// open calls the handler and reports whether there is a reactor to be run.
func (r *rpc) open() (isOpen bool) {
	hasReturned := false
	defer func() {
		if r.base != nil { // it comes to its end, even if a codec has ended this goroutine
			return
		}
		if !hasReturned { // panic, or runtime.Goexit as testing's FailNow
			r.panicked(recover(), debug.Stack())
		}
		if r.method.arrival() != nil {
			r.drop()
		}
		r.done()
	}()
	isOpen = r.admit() && r.takeRequest() && r.bind(r.method.serve())
	hasReturned = true
	return isOpen
}

// admit runs the server's filters. It reports false if one has refused the call.
func (r *rpc) admit() bool {
	refusal := r.accepted.Admit(&r.ctx.Context)
	if refusal == nil {
		return true
	}
	r.reply(refusal.Status)
	return false
}

// takeRequest decodes the one request. If it cannot, there is nothing to serve: it
// ends the call and reports false.
func (r *rpc) takeRequest() bool {
	one := r.method.arrival()
	if one == nil {
		return true
	}
	defer r.drop()
	ok := cq.Completion{OK: true, Finalizer: one.first}.Harvest()
	one.first = nil
	switch {
	case !ok:
		return false
	case one.message == nil:
		r.reply(server.StatusNoMessage)
		return false
	}
	if err := r.accepted.Call.Decode(one.message, r.method.request()); err != nil {
		r.reply(err.Status)
		return false
	}
	return true
}

// bind gives the call to the reactor that the handler returned, and starts what
// the reactor has asked for already.
func (r *rpc) bind(b *base, outer Reactions) bool {
	switch {
	case b == nil:
		r.fail(cqrpc.CodeUnimplemented, "the handler of "+r.ctx.Method()+" returned no reactor")
		return false
	case !b.isTaken.CompareAndSwap(false, true):
		r.fail(cqrpc.CodeInternal, "reactor: the handler returned a reactor that has a call already")
		return false
	}
	_, b.isQuiet = outer.(*DefaultReactor)
	b.rpc, b.outer, r.base = r, outer, b
	r.meet(b)
	b.isBound.Store(true)
	if f := b.fault.Load(); f != nil {
		b.end(*f)
	}
	b.open()
	return true
}

// meet has the call and its reactor know of each other.
func (r *rpc) meet(b *base) {
	for {
		m := r.fate.now()
		isAlone := m.fate() == alone
		b.box.Bind(r.method.home(), (*runner)(b), reaction.Terms{
			Needs: reaction.Of(reaction.Close, reaction.Final), Last: reaction.Of(reaction.Final), IsQuiet: b.isQuiet,
			IsEntered: isAlone && m.isCancelled(),
		})
		switch {
		case !isAlone:
			b.closed(m.fate())
			return
		case r.fate.to(bound, m):
			return
		}
	}
}

// open starts what was queued, and opens the mailbox. Its reactions run on another
// goroutine if a codec ends this one.
func (b *base) open() {
	isOpen := false
	defer func() {
		if !isOpen {
			b.open()
			b.box.Yield()
		}
	}()
	for isFirst := true; ; isFirst = false {
		e, ok := b.box.Take()
		if !ok {
			break
		}
		if n := b.rpc.method.refs(); n != nil {
			n.isShort = isFirst && e.Kinds == reaction.Of(reaction.Final)
		}
		b.start(&e)
	}
	isOpen = true
}

// start starts what was queued, in C++'s order.
func (b *base) start(e *reaction.Early) {
	if e.Kinds.Has(reaction.Header) {
		b.sendHeader()
	}
	if e.Kinds.Has(reaction.Read) {
		b.read(e.In)
	}
	last := e.Out
	if e.Kinds.Has(reaction.Write) {
		last = nil
	}
	if e.Kinds.Has(reaction.Final) {
		defer b.finish(last, e.Flags, e.Status) // even if the write ends the goroutine
	}
	if e.Kinds.Has(reaction.Write) {
		b.write(e.Out, e.Flags)
	}
}

// release counts the call as served, once: before its status goes out.
func (r *rpc) release() {
	if r.isReleased.CompareAndSwap(false, true) {
		r.accepted.Release()
	}
}

// done says, once, that neither handler nor reaction runs any more.
func (r *rpc) done() {
	r.release()
	if r.isDone.CompareAndSwap(false, true) {
		r.accepted.Done()
	}
}

// panicked ends a call whose handler did not return.
func (r *rpc) panicked(v any, stack []byte) {
	r.reply(server.StatusPanicked)
	r.accepted.Panicked(v, stack)
}
