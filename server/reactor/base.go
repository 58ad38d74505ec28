package reactor

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/reaction"
	"github.com/cqrpc/cqrpc/server"
)

// base is the operations of a reactor and their completers. It is embedded by
// value, so that a reactor is one allocation.
//
//	          the handler returned it         Finish, or cancelled; nothing outstanding
//	unbound ──────────────────────────► bound ──────────────────────────────────────────► done
//	 operations are queued                                                 they do nothing
type base struct {
	noReactions

	box reaction.Mailbox

	// immutable once bound
	rpc     *rpc
	outer   Reactions // the application's reactor
	isQuiet bool      // its reactions do nothing

	// atomic
	isTaken atomic.Bool            // for a call
	isBound atomic.Bool            // rpc is there to be used
	fault   atomic.Pointer[string] // the first misuse
}

// noReactions has the reactions of a reactor that does not care. They are two levels
// deep, so the reactions of anything else that a reactor embeds win.
type noReactions struct{}

// OnSendInitialMetadataDone does nothing.
func (noReactions) OnSendInitialMetadataDone(bool) {}

// OnReadDone does nothing.
func (noReactions) OnReadDone(bool) {}

// OnWriteDone does nothing.
func (noReactions) OnWriteDone(bool) {}

// OnCancel does nothing.
func (noReactions) OnCancel() {}

// OnDone does nothing.
func (noReactions) OnDone() {}

// StartSendInitialMetadata sends what Context.SetHeader has collected without
// waiting for the first message. At most once, and before anything is written.
func (b *base) StartSendInitialMetadata() {
	op := reaction.Op{Kind: reaction.Header, Bars: reaction.Of(reaction.Header)}
	if b.begin("StartSendInitialMetadata", &op) {
		b.sendHeader()
		b.box.Leave()
	}
}

// Finish ends the call with a status and, if that is OK and the method has one
// response, with it. Only the first Finish counts; after it, nothing can be
// started, and what is outstanding ends: a write goes out before the status, with
// OnWriteDone(true), and a read has OnReadDone(false).
func (b *base) Finish(st cqrpc.Status) {
	b.finishWith("Finish", &reaction.Op{Kind: reaction.Final, Bars: reaction.All, Status: boxed(st)})
}

func (b *base) finishWith(name string, op *reaction.Op) {
	if b.begin(name, op) {
		defer b.box.Leave() // also if a codec ends the goroutine
		b.finish(op.Value, op.Flags, op.Status)
	}
}

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

func (b *base) startWrite(name string, op *reaction.Op) {
	if b.begin(name, op) {
		defer b.box.Leave() // also if a codec ends the goroutine
		b.write(op.Value, op.Flags)
	}
}

// begin reports whether the operation is to be started now. What is started after
// Finish, or after the end, is ignored: a reactor that goes on in vain does no harm.
func (b *base) begin(name string, op *reaction.Op) bool {
	switch b.box.Begin(op) {
	case reaction.Go:
		return true
	case reaction.Outstanding:
		b.misuse(name + " while one is outstanding")
	case reaction.Barred:
		b.misuse(name + " after the last one")
	case reaction.Queued:
		return false
	case reaction.Over, reaction.Unheld:
	}
	reaction.Drop(op.Value)
	return false
}

// read starts a read that has begun.
func (b *base) read(to any) {
	ops := [1]call.Op{call.RecvNext(to)}
	if err := b.rpc.accepted.Call.StartBatchOn((*reading)(b), ops[:], nil); err != nil {
		b.misuse(err.Error())
		b.box.Tell(reaction.Read, false)
	}
}

// sendHeader starts to send the initial metadata.
func (b *base) sendHeader() {
	var ops [1]call.Op
	batch := b.rpc.ctx.ForStyle().BeginResponse(ops[:0])
	if len(batch) == 0 {
		b.misuse("StartSendInitialMetadata after the initial metadata was sent")
		b.box.Tell(reaction.Header, false)
		return
	}
	if err := b.rpc.accepted.Call.StartBatchOn((*heading)(b), batch, nil); err != nil {
		b.misuse(err.Error())
		b.box.Tell(reaction.Header, false)
	}
}

// write starts a write that has begun. A message that cannot be marshalled ends
// the call; so does a codec that panics.
func (b *base) write(m any, flags call.Flags) {
	isStarted, hasReturned := false, false
	defer func() {
		if !hasReturned { // panic, or runtime.Goexit
			b.crashed(recover())
		}
		if !isStarted {
			reaction.Drop(m)
			b.box.Tell(reaction.Write, false)
		}
	}()
	var ops [2]call.Op
	batch := append(b.rpc.ctx.ForStyle().BeginResponse(ops[:0]), reaction.Message(m, flags))
	err := b.rpc.accepted.Call.StartBatchOn((*writing)(b), batch, nil)
	hasReturned = true
	if err != nil {
		if len(batch) == 2 {
			b.rpc.ctx.ForStyle().RevertBegin()
		}
		b.end(unsendable(m, err))
		return
	}
	isStarted = true
}

// unsendable says why a batch with m was rejected.
func unsendable(m any, err error) string {
	if _, ok := m.(reaction.Encoded); ok {
		return fmt.Sprintf("cannot send response: %v", err)
	}
	return fmt.Sprintf("cannot marshal response %T: %v", m, err)
}

// misuse ends the call because the application made a mistake. After Finish nothing
// is a mistake any more.
func (b *base) misuse(what string) {
	if b.box.IsBarred(reaction.Final) {
		return
	}
	what = "reactor: " + what
	if b.fault.CompareAndSwap(nil, &what) && b.isBound.Load() {
		b.end(what)
	}
}

// crashed ends a call whose codec has panicked with v, and reports that. The response
// may be half begun, and no later operation must find it so.
func (b *base) crashed(v any) {
	b.end(server.StatusPanicked.Message)
	b.rpc.accepted.Panicked(v, debug.Stack())
}

// end ends the call with INTERNAL.
func (b *base) end(why string) {
	b.box.Enter()
	b.rpc.accepted.Call.CancelWithStatus(cqrpc.CodeInternal, why)
	b.box.Exit()
}

// The types below are base as the completer of its batches. Only completions with a
// message are harvested by the reaction, because that decodes it.
type (
	heading   base
	reading   base
	writing   base
	finishing base
)

var _, _, _, _ cq.Completer = (*heading)(nil), (*reading)(nil), (*writing)(nil), (*finishing)(nil)

func (*heading) Begin() bool   { return true }
func (*reading) Begin() bool   { return true }
func (*writing) Begin() bool   { return true }
func (*finishing) Begin() bool { return true }

// Host returns whose goroutines run the reactions.
func (v *reading) Host() cq.Host { return v.box.Host() }

func (v *heading) Complete(c cq.Completion) {
	v.box.Tell(reaction.Header, c.Harvest())
}

func (v *reading) Complete(c cq.Completion) {
	v.box.TellRead(c.OK, c.Finalizer)
}

func (v *writing) Complete(c cq.Completion) {
	v.box.Tell(reaction.Write, c.Harvest())
}

func (v *finishing) Complete(c cq.Completion) {
	c.Harvest()
	r := v.rpc
	v.box.End(reaction.Final)
	r.unref()
}
