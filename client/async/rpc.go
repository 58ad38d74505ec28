package async

import (
	"context"
	"fmt"
	"sync"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
)

// rpc is one call and what all objects can do with it. The values of its
// messages are pointers.
type rpc struct {
	// immutable
	prepared client.Prepared
	queue    *cq.Queue
	request  any // the one request, which goes out when the call opens; nil in a stream

	mu sync.Mutex

	// guarded by mu
	phase    phase
	isClosed bool // END_STREAM goes out, or is about to
	isDeaf   bool // finished, and nobody is reading: what still comes is dropped
}

// prepare makes r, which is zero, an rpc that is prepared.
func (r *rpc) prepare(
	ctx context.Context, ch *client.Channel, method string, hasOneResponse bool, request any, q *cq.Queue,
	opts []client.CallOption,
) {
	r.queue, r.request = q, request
	ch.Prepare(ctx, &r.prepared, q, method, hasOneResponse, opts...)
}

// phase is how far the application has come with a call.
//
//	prepared ──StartCall──────────────────────► open ──Finish──► finished
//	    └──StartCallCorked, ──► corked ──Write, Finish──► ▲
//	       unary StartCall
//
// A step whose batch is rejected is taken back.
type phase uint8

const (
	prepared phase = iota
	corked         // started, but nothing is sent before there is more to send
	open           // initial metadata goes out, or is about to
	finished
)

var phaseNames = [...]string{"prepared", "corked", "open", "finished"}

func (p phase) String() string { return phaseNames[p] }

// to is the only place that changes a phase.
func (p *phase) to(next phase) {
	if *p == finished && next == finished {
		panic(fmt.Sprintf("BUG: async: %v -> %v", *p, next))
	}
	*p = next
}

// intent is what an operation is about.
type intent uint8

const (
	toStart    intent = 1 << iota // StartCall
	toCork                        // StartCallCorked
	toOpen                        // takes the initial metadata along if it is not out
	toWrite                       // not after the half-close
	toClose                       // half-closes
	toRead                        // may go on after Finish
	toConclude                    // Finish
)

// step is what an operation has changed, to be done by its batch or taken back.
type step struct {
	before  phase
	opens   bool // the batch brings the initial metadata, and the one request
	closes  bool // the batch half-closes
	isFinal bool // the operation is Finish
}

// take checks that an operation is possible now and takes its step.
func (r *rpc) take(do intent) (step, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkLocked(do); err != nil {
		return step{}, err
	}
	s := step{before: r.phase, isFinal: do&toConclude != 0}
	s.opens = do&toOpen != 0 && r.phase < open
	s.closes = !r.isClosed && (do&toClose != 0 || s.opens && r.request != nil)
	r.isClosed = r.isClosed || s.closes
	switch {
	case s.isFinal:
		r.phase.to(finished)
	case s.opens:
		r.phase.to(open)
	case do&toCork != 0:
		r.phase.to(corked)
	}
	return s, nil
}

func (r *rpc) checkLocked(do intent) error {
	isStart := do&(toStart|toCork) != 0
	switch {
	case r.phase == prepared && !isStart:
		return ErrNotStarted
	case r.phase == finished && (do&toRead == 0 || r.isDeaf):
		return ErrFinished
	case r.phase != prepared && isStart:
		return ErrStarted
	case do&toWrite != 0 && r.isClosed:
		return ErrWritesDone
	}
	return nil
}

// maxOps is the size of the largest batch, that of a unary call.
const maxOps = 6

// opening adds the other operations of a step to its batch, in which the order of
// operations does not matter.
func (r *rpc) opening(ops []call.Op, s step) []call.Op {
	if s.opens {
		ops = append(ops, call.SendInitialMetadata(r.prepared.Metadata))
		if r.request != nil {
			ops = append(ops, call.SendValue(r.request))
		}
	}
	if s.closes {
		ops = append(ops, call.SendClose())
	}
	return ops
}

// start starts the batch of a step, or takes the step back.
func (r *rpc) start(s step, ops []call.Op, tag cq.Tag) error {
	err := r.prepared.Call.StartBatchOn(r.queue, ops, tag)
	if err != nil {
		r.takeBack(s)
	}
	return err
}

// takeBack undoes a step whose batch was rejected. If another goroutine has called
// Finish meanwhile, that has started without what the step was to bring, which is
// still owed.
func (r *rpc) takeBack(s step) {
	r.mu.Lock()
	isOwed := r.phase == finished && !s.isFinal
	if !isOwed {
		r.isClosed = r.isClosed && !s.closes
		if s.isFinal || s.opens {
			r.phase.to(s.before)
		}
	}
	r.mu.Unlock()
	if !isOwed || !s.opens && !s.closes {
		return
	}
	var buf [maxOps]call.Op
	if err := r.prepared.Call.StartBatchOn(cq.Discard, r.opening(buf[:0], s), nil); err != nil {
		r.prepared.Call.CancelWithStatus(cqrpc.CodeInternal, err.Error())
	}
}

// startCall starts the call, and with it what opens it.
func (r *rpc) startCall(tag cq.Tag) error {
	s, err := r.take(toStart | toOpen)
	if err != nil {
		return err
	}
	var buf [maxOps]call.Op
	return r.start(s, r.opening(buf[:0], s), tag)
}

// cork starts the call and sends nothing.
func (r *rpc) cork() error {
	_, err := r.take(toCork)
	return err
}

// ReadInitialMetadata asks for the response's initial metadata, which Header then
// returns: true when it has come, even if it is empty, false if the call died first.
// It is optional, comes before Finish, and at most once.
func (r *rpc) ReadInitialMetadata(tag cq.Tag) error {
	var do intent
	if r.request != nil { // nothing more will come that a corked call could wait for
		do = toOpen
	}
	s, err := r.take(do)
	if err != nil {
		return err
	}
	var buf [maxOps]call.Op
	return r.start(s, append(r.opening(buf[:0], s), call.RecvInitialMetadata(nil)), tag)
}

func (r *rpc) read(res any, isNil bool, tag cq.Tag) error {
	if isNil {
		return errNoTarget
	}
	s, err := r.take(toRead)
	if err != nil {
		return err
	}
	ops := [1]call.Op{call.RecvNext(res)}
	return r.start(s, ops[:], tag)
}

// write sends one message, and the half-close with it if do is toClose.
func (r *rpc) write(op call.Op, do intent, tag cq.Tag, flags []call.Flags) error {
	s, err := r.take(toOpen | toWrite | do)
	if err != nil {
		return err
	}
	op = op.With(flags...)
	if s.closes {
		op = op.With(call.BufferHint) // the end flushes it
	}
	var buf [maxOps]call.Op
	return r.start(s, append(r.opening(buf[:0], s), op), tag)
}

// writeBuffer is write of a message that was encoded before. It takes the message, on
// error too.
func (r *rpc) writeBuffer(b *call.Buffer, tag cq.Tag, flags []call.Flags) error {
	isWritten := false
	defer func() {
		if !isWritten { // refused, or a compressor has panicked
			b.Free()
		}
	}()
	err := r.write(call.SendMessage(b), 0, tag, flags)
	isWritten = err == nil
	return err
}

func (r *rpc) writesDone(tag cq.Tag) error {
	s, err := r.take(toOpen | toWrite | toClose)
	if err != nil {
		return err
	}
	var buf [maxOps]call.Op
	return r.start(s, r.opening(buf[:0], s), tag)
}

// TryCancel ends the call with CANCELLED, unless it has ended. What is outstanding
// completes; call Finish for the status. It also gives up a call that is not wanted
// any more, started or not, without Finish.
func (r *rpc) TryCancel() { r.prepared.Call.Cancel() }

// Header returns the response's initial metadata, to be read only; nil before
// it has come.
func (r *rpc) Header() cqrpc.Metadata { return r.prepared.Call.InitialMetadata() }

// Trailer returns the metadata that came with the status, to be read only; nil
// before the call is over.
func (r *rpc) Trailer() cqrpc.Metadata { return r.prepared.Call.TrailingMetadata() }

// Peer returns the server's address; the zero Peer while there is no connection.
func (r *rpc) Peer() call.Peer { return r.prepared.Call.Peer() }

// Call returns the call itself, for information; start no batches on it.
func (r *rpc) Call() *call.Call { return r.prepared.Call }
