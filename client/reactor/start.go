package reactor

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/reaction"
)

// bind gives a reactor its call, which it keeps. A second call panics: after OnDone
// there is no reaction that could report the mistake.
func (b *base) bind(
	ctx context.Context, s *Stub, name string, shape call.Shape, outer interface{ OnDone(cqrpc.Status) },
	opts []client.CallOption,
) {
	if !b.isTaken.CompareAndSwap(false, true) {
		panic("reactor: a reactor serves one call")
	}
	b.outer = outer
	_, b.wantsHeader = outer.(HeaderReactor)
	if !shape.ManyRequests() {
		b.box.Bar(writes)
	}
	b.box.Bind(s.loop, (*runner)(b), reaction.Terms{
		Needs: reaction.Of(reaction.Final), Last: reaction.Of(reaction.Final), Passive: reaction.Of(reaction.Final),
		IsLasting: shape == call.Unary,
	})
	s.channel.Prepare(ctx, &b.prepared, nil, name, !shape.ManyResponses(), opts...)
}

// publish makes the call known to other goroutines, and catches up with what
// they have done before.
func (b *base) publish() {
	b.call.Store(b.prepared.Call)
	if b.isCancelled.Load() {
		b.prepared.Call.Cancel()
	}
	if f := b.fault.Load(); f != nil {
		b.prepared.Call.CancelWithStatus(cqrpc.CodeInternal, *f)
	}
	if b.wantsStart.Load() {
		b.StartCall()
	}
}

// StartCall starts the call and, with it, the operations that were asked for
// before. Each reactor starts once.
func (b *base) StartCall() {
	if b.call.Load() == nil {
		b.wantsStart.Store(true)
		b.misuse("StartCall before the reactor has a call")
		return
	}
	busy := reaction.Of(reaction.Final)
	if b.wantsHeader {
		busy |= reaction.Of(reaction.Header)
	}
	if !b.box.Start(busy) {
		b.misuse("StartCall twice")
		return
	}
	early, isQueued := b.box.Take()
	defer b.admit(early, isQueued, headers) // also if a codec panics on the request
	b.open(early.Kinds.Has(reaction.Write))
}

// admit starts what was queued, and what is queued meanwhile, until nothing is left; a write
// takes along what the call has not sent yet. Then the reactions may run.
func (b *base) admit(e reaction.Early, isQueued bool, with extras) {
	if !isQueued {
		b.request = nil
		b.box.Yield()
		return
	}
	defer func() { // also if a codec panics on the first write
		next, isQueued := b.box.Take()
		b.admit(next, isQueued, 0)
	}()
	b.release(&e, with)
}

// release starts what was queued, in C-core's order.
func (b *base) release(e *reaction.Early, with extras) {
	if e.Kinds.Has(reaction.Read) {
		b.read(e.In)
	}
	if e.Kinds.Has(reaction.WritesDone) {
		defer b.writesDone() // after the write, even if a codec panics on that
	}
	if e.Kinds.Has(reaction.Write) {
		if e.IsLast {
			with |= halfClose
		}
		b.write(e.Out, e.Flags, with)
	}
}

// open starts the batch that ends with the call. The headers are in it, unless
// they go out with the first write.
//
//	unary          INIT, MSG, CLOSE, RECV_MSG, RECV_STATUS
//	server stream  INIT, MSG, CLOSE, RECV_STATUS
//	client stream  INIT, RECV_MSG, RECV_STATUS
//	bidi stream    INIT, RECV_STATUS
func (b *base) open(isCorked bool) {
	c := b.prepared.Call
	fault := errPanicked
	defer func() {
		if fault != nil {
			// The request cannot be marshalled, or the metadata is illegal. All that
			// is left is to be told so.
			c.CancelWithStatus(cqrpc.CodeInternal, fault.Error())
			b.must(c.StartBatchOn((*ending)(b), []call.Op{call.RecvStatus(&b.status, nil)}, nil))
		}
		if b.wantsHeader {
			b.must(c.StartBatchOn((*heading)(b), []call.Op{call.RecvInitialMetadata(nil)}, nil))
		}
	}()
	var ops [5]call.Op
	batch := append(ops[:0], call.RecvStatus(&b.status, nil))
	if b.response != nil {
		batch = append(batch, call.RecvValue(b.response, nil))
	}
	if !isCorked {
		batch = append(batch, call.SendInitialMetadata(b.prepared.Metadata))
	}
	if b.request != nil {
		batch = append(batch, call.SendValue(b.request), call.SendClose())
	}
	fault = c.StartBatchOn((*ending)(b), batch, nil)
}

func (*base) must(err error) {
	if err != nil {
		panic("BUG: reactor: " + err.Error())
	}
}

// The types below are base as the completer of its batches. Only completions with a
// message are harvested by the reaction, because that decodes it; of the others only
// success counts.
type (
	heading base
	reading base
	writing base
	closing base
	ending  base
)

var _, _, _, _, _ cq.Completer = (*heading)(nil), (*reading)(nil), (*writing)(nil), (*closing)(nil), (*ending)(nil)

func (*heading) Begin() bool { return true }
func (*reading) Begin() bool { return true }
func (*writing) Begin() bool { return true }
func (*closing) Begin() bool { return true }
func (*ending) Begin() bool  { return true }

// Host returns whose goroutines run the reactions.
func (v *reading) Host() cq.Host { return v.box.Host() }

// Host likewise.
func (v *ending) Host() cq.Host { return v.box.Host() }

func (v *heading) Complete(c cq.Completion) {
	ok := c.Harvest()
	v.box.Tell(reaction.Header, ok && v.prepared.Call.HasInitialMetadata())
}

func (v *reading) Complete(c cq.Completion) {
	v.box.TellRead(c.OK, c.Finalizer)
}

func (v *writing) Complete(c cq.Completion) {
	v.box.Tell(reaction.Write, c.Harvest())
}

func (v *closing) Complete(c cq.Completion) {
	v.box.Tell(reaction.WritesDone, c.Harvest())
}

func (v *ending) Complete(c cq.Completion) {
	v.ending = c.Finalizer
	v.box.Tell(reaction.Final, c.OK)
}
