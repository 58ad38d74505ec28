package reactor

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/reaction"
)

// base is one call of a reactor: its operations and their completers. It is
// embedded by value, so that a reactor is one allocation.
//
//	          ServerStream …         StartCall            status, reads and holds over
//	unbound ─────────────────► bound ───────────► started ────────────────────────────► done
//	      operations are queued             they are started                 they do nothing
type base struct {
	noReactions

	box reaction.Mailbox

	// immutable once bound
	prepared    client.Prepared
	outer       interface{ OnDone(cqrpc.Status) } // the application's reactor
	request     any                               // of shapes with one; nil when it was sent
	response    any                               // of shapes with one
	wantsHeader bool                              // outer is a HeaderReactor

	// atomic
	isTaken     atomic.Bool // for a call
	isCancelled atomic.Bool // by TryCancel
	wantsStart  atomic.Bool // StartCall came too early
	call        atomic.Pointer[call.Call]
	fault       atomic.Pointer[string] // the first misuse

	// of the outstanding batch, then of the reaction to it
	ending cq.Finalizer
	status cqrpc.Status
}

// noReactions has the reactions of a reactor that does not care. They are two levels
// deep, so the reactions of anything else that a reactor embeds win.
type noReactions struct{}

// OnReadDone does nothing.
func (noReactions) OnReadDone(bool) {}

// OnWriteDone does nothing.
func (noReactions) OnWriteDone(bool) {}

// OnWritesDoneDone does nothing.
func (noReactions) OnWritesDoneDone(bool) {}

// OnDone does nothing.
func (noReactions) OnDone(cqrpc.Status) {}

// startRead asks for a read.
func (b *base) startRead(to any, isNil bool) {
	if isNil {
		b.misuse("StartRead(nil)")
		return
	}
	op := reaction.Op{Kind: reaction.Read, Value: to}
	if b.begin("StartRead", &op) {
		b.read(to)
		b.box.Leave()
	}
}

// startWrite asks for a write, the last one or not.
func (b *base) startWrite(name string, op *reaction.Op) {
	if b.begin(name, op) {
		defer b.box.Leave() // also if a codec panics
		var with extras
		if op.Bars != 0 {
			with = halfClose
		}
		b.write(op.Value, op.Flags, with)
	}
}

func (b *base) startWritesDone() {
	op := reaction.Op{Kind: reaction.WritesDone, Bars: writes}
	if b.begin("StartWritesDone", &op) {
		b.writesDone()
		b.box.Leave()
	}
}

// begin reports whether the operation is to be started now.
func (b *base) begin(name string, op *reaction.Op) bool {
	switch b.box.Begin(op) {
	case reaction.Go:
		return true
	case reaction.Outstanding:
		b.misuse(name + " while one is outstanding")
	case reaction.Barred:
		b.misuse(name + " after the last write")
	case reaction.Unheld:
		b.misuse(name + " when nothing was outstanding: start operations from reactions, or add a hold")
	case reaction.Queued:
		return false
	case reaction.Over:
	}
	reaction.Drop(op.Value)
	return false
}

// read starts a read that has begun.
func (b *base) read(to any) {
	ops := [1]call.Op{call.RecvNext(to)}
	if err := b.prepared.Call.StartBatchOn((*reading)(b), ops[:], nil); err != nil {
		b.misuse(err.Error())
		b.box.Tell(reaction.Read, false)
	}
}

// extras is the set of what goes out in one batch with a message: nothing with most.
type extras uint8

const (
	headers   extras = 1 << iota // of a call that starts with the write
	halfClose                    // after the last write
)

// write starts a write that has begun. A message that cannot be marshalled ends the
// call; so does a codec that panics, and the panic goes on.
func (b *base) write(m any, flags call.Flags, with extras) {
	fault := errPanicked
	defer func() {
		if fault != nil {
			reaction.Drop(m)
			b.misuse(fault.Error())
			b.box.Tell(reaction.Write, false)
		}
	}()
	var ops [3]call.Op
	batch := append(ops[:0], reaction.Message(m, flags))
	if with&halfClose != 0 {
		batch = append(batch, call.SendClose())
	}
	if with&headers != 0 {
		batch = append(batch, call.SendInitialMetadata(b.prepared.Metadata))
	}
	fault = b.prepared.Call.StartBatchOn((*writing)(b), batch, nil)
}

// errPanicked does not have the value of the panic, which goes on to whoever recovers it.
var errPanicked = errors.New("panic in a codec")

func (b *base) writesDone() {
	ops := [1]call.Op{call.SendClose()}
	if err := b.prepared.Call.StartBatchOn((*closing)(b), ops[:], nil); err != nil {
		b.misuse(err.Error())
		b.box.Tell(reaction.WritesDone, false)
	}
}

// misuse ends the call because the application made a mistake. OnDone tells the first
// one, however the call has ended.
func (b *base) misuse(what string) {
	what = "reactor: " + what
	if !b.fault.CompareAndSwap(nil, &what) {
		return
	}
	if c := b.call.Load(); c != nil {
		b.box.Enter()
		c.CancelWithStatus(cqrpc.CodeInternal, what)
		b.box.Exit()
	}
}

// TryCancel ends the call with CANCELLED unless it is over. It may be called at
// any time, before StartCall too.
func (b *base) TryCancel() {
	b.isCancelled.Store(true)
	if c := b.call.Load(); c != nil {
		b.box.Enter()
		c.Cancel()
		b.box.Exit()
	}
}

// Header returns the initial metadata of the response, to be read only; nil
// until it has come. It has come when OnReadDone has a message.
func (b *base) Header() cqrpc.Metadata {
	if c := b.call.Load(); c != nil {
		return c.InitialMetadata()
	}
	return nil
}

// Trailer returns the metadata that came with the status, to be read only; nil
// until OnDone.
func (b *base) Trailer() cqrpc.Metadata {
	if c := b.call.Load(); c != nil {
		return c.TrailingMetadata()
	}
	return nil
}

// AddHold delays OnDone until RemoveHold. It is needed if operations are to be started
// outside the reactions after StartCall.
func (b *base) AddHold() { b.box.AddHolds(1) }

// AddMultipleHolds is AddHold n times, n > 0.
func (b *base) AddMultipleHolds(n int) {
	if n <= 0 || n > maxHolds {
		b.misuse("AddMultipleHolds of too few or too many")
		return
	}
	b.box.AddHolds(int32(n))
}

const maxHolds = 1 << 20

// RemoveHold undoes one AddHold. OnDone never runs inside it.
func (b *base) RemoveHold() {
	if !b.box.RemoveHold() {
		b.misuse("RemoveHold without a hold")
	}
}

// Hold is AddHold that returns its RemoveHold, which may be called more than
// once and then does nothing.
func (b *base) Hold() (release func()) {
	b.AddHold()
	return sync.OnceFunc(b.RemoveHold)
}
