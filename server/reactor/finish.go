package reactor

import (
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/reaction"
)

// finish ends the call with a status, nil being OK, and with m before it if
// there is one: m is the last response, or else that of a method with one.
func (b *base) finish(m any, flags call.Flags, status *cqrpc.Status) {
	isStarted, hasReturned := false, false
	defer func() {
		if !hasReturned { // panic, or runtime.Goexit
			b.crashed(recover())
		}
		if !isStarted {
			b.box.End(reaction.Final)
		}
		if b.isQuiet { // and so no Done will come
			b.rpc.done()
		}
	}()
	b.rpc.release()
	var st cqrpc.Status
	if status != nil {
		st = *status
	}
	if m == nil && st.Code == cqrpc.CodeOK {
		m = b.rpc.method.response()
	}
	err := b.rpc.respond((*finishing)(b), m, flags, st)
	if err != nil && m != nil {
		st = cqrpc.Status{Code: cqrpc.CodeInternal, Message: fmt.Sprintf("cannot marshal response %T: %v", m, err)}
		err = b.rpc.sendStatus((*finishing)(b), nil, st)
	}
	if err != nil { // metadata that slipped through
		b.end(err.Error())
	}
	isStarted, hasReturned = err == nil, true
}

// respond ends the response with m and a status.
func (r *rpc) respond(to cq.Completer, m any, flags call.Flags, st cqrpc.Status) error {
	if m == nil {
		return r.sendStatus(to, nil, st)
	}
	message := call.SendValue(m).With(flags)
	return r.sendStatus(to, &message, st)
}

// sendStatus starts the batch that ends the response, with message if it is not nil.
func (r *rpc) sendStatus(to cq.Completer, message *call.Op, st cqrpc.Status) error {
	var ops [3]call.Op
	batch, hasBegun := r.ctx.ForStyle().EndResponse(ops[:0], message, st)
	err := r.accepted.Call.StartBatchOn(to, batch, nil)
	if err != nil && hasBegun {
		r.ctx.ForStyle().RevertBegin()
	}
	return err
}

// reply ends a call that has no reactor.
func (r *rpc) reply(st cqrpc.Status) {
	r.release()
	if err := r.sendStatus(cq.Discard, nil, st); err != nil {
		r.accepted.Call.CancelWithStatus(st.Code, st.Message)
	}
}

// fail is reply with a status of the library's.
func (r *rpc) fail(code cqrpc.Code, message string) {
	r.reply(cqrpc.Status{Code: code, Message: message})
}
