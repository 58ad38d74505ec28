package async

import (
	"fmt"
	"sync"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// responder is what all objects can do with their call. The values of its
// messages are pointers.
type responder struct {
	mu sync.Mutex

	// guarded by mu
	binding binding
	writing writing

	// guarded by mu until bound, immutable from then on
	ctx  *Context
	call *call.Call
}

// writing is how far this side of the call has come.
//
//	going ──WriteLast──► lastOut ──Finish──► done
//	   └─────────Finish, WriteAndFinish──────► ▲
//
// A step whose batch is rejected is taken back.
type writing uint8

const (
	going   writing = iota
	lastOut         // the last message goes out
	done            // the status does
)

var writingNames = [...]string{"going", "last", "done"}

func (w writing) String() string { return writingNames[w] }

// to is the only place that changes it.
func (w *writing) to(next writing) {
	if *w == next {
		panic(fmt.Sprintf("BUG: async: %v -> %v", *w, next))
	}
	*w = next
}

// claim takes the responder for a request.
func (r *responder) claim() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.binding != unbound {
		return ErrInUse
	}
	r.binding.to(requested)
	return nil
}

// unclaim says that the call requested will not come.
func (r *responder) unclaim() {
	r.mu.Lock()
	r.binding.to(unbound)
	r.mu.Unlock()
}

// bind says that k is the call requested.
func (r *responder) bind(ctx *Context, k *call.Call) {
	r.mu.Lock()
	r.binding.to(bound)
	r.ctx, r.call = ctx, k
	r.mu.Unlock()
}

// check says why no operation is possible now, nil if one that sends no response is.
func (r *responder) check() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.checkLocked()
}

func (r *responder) checkLocked() error {
	switch {
	case r.binding != bound:
		return ErrNotBound
	case r.writing == done:
		return ErrFinished
	}
	return nil
}

// beginWrite checks that a response can be sent now, moves writing on to next, which may be
// where it is, and returns where it was.
func (r *responder) beginWrite(next writing) (before writing, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, err = r.writing, r.checkLocked()
	switch {
	case err != nil:
		return before, err
	case before == lastOut:
		return before, ErrWritesDone
	case next != before:
		r.writing.to(next)
	}
	return before, nil
}

// beginFinish checks that the status can be sent now, which is possible after the last
// response, too, and returns where writing was.
func (r *responder) beginFinish() (before writing, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, err = r.writing, r.checkLocked()
	if err == nil {
		r.writing.to(done)
	}
	return before, err
}

// takeBack undoes beginWrite or beginFinish, unless writing has moved on since.
func (r *responder) takeBack(next, before writing) {
	r.mu.Lock()
	if r.writing == next && next != before {
		r.writing.to(before)
	}
	r.mu.Unlock()
}

// SendInitialMetadata sends what was set with SetHeader, at once and alone: true when it
// is out, false if the call died. It is optional: otherwise the first Write, or Finish,
// takes the metadata along. The error is server.ErrHeaderSent if it is out already.
func (r *responder) SendInitialMetadata(tag cq.Tag) error {
	if err := r.check(); err != nil {
		return err
	}
	var buf [1]call.Op
	ops := r.ctx.ForStyle().BeginResponse(buf[:0])
	if len(ops) == 0 {
		return server.ErrHeaderSent
	}
	return r.start(ops, true, tag)
}

// start starts a batch; hasHeader says that it takes the initial metadata along.
func (r *responder) start(ops []call.Op, hasHeader bool, tag cq.Tag) error {
	err := r.call.StartBatch(ops, tag)
	if err != nil && hasHeader {
		r.ctx.ForStyle().RevertBegin()
	}
	return err
}

func (r *responder) read(req any, isNil bool, tag cq.Tag) error {
	if isNil {
		return errNoTarget
	}
	if err := r.check(); err != nil {
		return err
	}
	ops := [1]call.Op{call.RecvNext(req)}
	return r.call.StartBatch(ops[:], tag)
}

// message is the operation that sends a response.
func message(res any, flags []call.Flags) call.Op { return call.SendValue(res).With(flags...) }

// write sends one response; next is lastOut for the last.
func (r *responder) write(op call.Op, next writing, tag cq.Tag) error {
	before, err := r.beginWrite(next)
	if err != nil {
		return err
	}
	var buf [2]call.Op
	ops := r.ctx.ForStyle().BeginResponse(buf[:0])
	hasHeader := len(ops) > 0
	err = r.start(append(ops, op), hasHeader, tag)
	if err != nil {
		r.takeBack(next, before)
	}
	return err
}

// writeBuffer is write of a response that was encoded before. It takes the response,
// on error too.
func (r *responder) writeBuffer(b *call.Buffer, tag cq.Tag, flags []call.Flags) error {
	isWritten := false
	defer func() {
		if !isWritten { // refused, or a compressor has panicked
			b.Free()
		}
	}()
	err := r.write(call.SendMessage(b).With(flags...), going, tag)
	isWritten = err == nil
	return err
}

// respond ends the call with a response and a status, in one batch.
func (r *responder) respond(op call.Op, st cqrpc.Status, tag cq.Tag) error {
	before, err := r.beginWrite(done)
	if err != nil {
		return err
	}
	var buf [3]call.Op
	ops, hasHeader := r.ctx.ForStyle().EndResponse(buf[:0], &op, st)
	return r.end(ops, hasHeader, before, tag)
}

// finish ends the call with a status.
func (r *responder) finish(st cqrpc.Status, tag cq.Tag) error {
	before, err := r.beginFinish()
	if err != nil {
		return err
	}
	var buf [2]call.Op
	ops, hasHeader := r.ctx.ForStyle().EndResponse(buf[:0], nil, st)
	return r.end(ops, hasHeader, before, tag)
}

func (r *responder) end(ops []call.Op, hasHeader bool, before writing, tag cq.Tag) error {
	err := r.start(ops, hasHeader, tag)
	if err != nil {
		r.takeBack(done, before)
	}
	return err
}

// finishWithError is finish for a call that owes its one response.
func (r *responder) finishWithError(st cqrpc.Status, tag cq.Tag) error {
	if st.Code == cqrpc.CodeOK {
		return ErrStatusOK
	}
	return r.finish(st, tag)
}

// finishWith ends a call that has one response: with it, or without if the
// status is not OK.
func (r *responder) finishWith(res any, st cqrpc.Status, tag cq.Tag) error {
	if st.Code != cqrpc.CodeOK {
		return r.finish(st, tag)
	}
	return r.respond(call.SendValue(res), st, tag)
}

// Call returns the call itself, for information; start no batches on it. It is nil
// before the tag of the request has come.
func (r *responder) Call() *call.Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.call
}
