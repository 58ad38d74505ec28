package call

import (
	"sync"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// StartBatch starts ops; when the last of them has completed, tag comes out of
// the call's completer, once. The order of ops does not matter. ops may be
// reused when StartBatch returns.
//
// The error is a *[BatchError] for misuse, or cq.ErrShutdown; then nothing was
// started, no tag will come and the caller keeps its buffers. A call that has
// failed is no error: the operations complete accordingly. An empty batch
// completes at once, true, in any state of the call.
func (c *Call) StartBatch(ops []Op, tag cq.Tag) error { return c.startBatch(nil, ops, tag) }

// StartBatchOn is StartBatch with the tag coming out of comp.
func (c *Call) StartBatchOn(comp cq.Completer, ops []Op, tag cq.Tag) error {
	if comp == nil {
		return &BatchError{Op: firstKind(ops), Reason: ErrCall, Cause: errNoCompleter}
	}
	return c.startBatch(comp, ops, tag)
}

// startBatch is StartBatchOn, nil being the call's own completer.
func (c *Call) startBatch(comp cq.Completer, ops []Op, tag cq.Tag) error {
	set, err := c.check(ops)
	if err != nil {
		return err
	}
	p := parcel{set: set}
	if comp, err = c.reserve(&p, comp, ops); err != nil {
		return err
	}
	if set == 0 {
		return completeEmpty(comp, tag)
	}
	if p.watch.isDue() {
		c.CancelFor(p.watch.ctx)
	}
	if err := c.pack(&p, ops); err != nil {
		return err
	}
	if !comp.Begin() {
		p.discard()
		c.unreserve(&p)
		return cq.ErrShutdown
	}
	c.start(newBatch(c, comp, tag, set, ops), &p)
	return nil
}

const (
	errNoCompleter = Reason("the call has no completer")
	errNoBuffer    = Reason("the buffer is nil")
)

func firstKind(ops []Op) OpKind {
	if len(ops) == 0 {
		return 0
	}
	return ops[0].kind
}

// completeEmpty completes an empty batch.
func completeEmpty(comp cq.Completer, tag cq.Tag) error {
	if !comp.Begin() {
		return cq.ErrShutdown
	}
	comp.Complete(cq.Completion{Tag: tag, OK: true})
	return nil
}

// check applies the rules that do not depend on the state of the call.
func (c *Call) check(ops []Op) (set opSet, err error) {
	for i := range ops {
		o := &ops[i]
		if reason, cause := c.checkOp(o); reason != "" {
			return 0, &BatchError{Op: o.kind, Reason: reason, Cause: cause}
		}
		if set.has(o.kind) {
			return 0, &BatchError{Op: o.kind, Reason: ErrTooManyOperations}
		}
		set |= 1 << o.kind
	}
	if set.has(SendStatusOp) && set.has(RecvMessageOp) {
		return 0, &BatchError{Op: SendStatusOp, Reason: ErrCall}
	}
	return set, nil
}

func (c *Call) checkOp(o *Op) (Reason, error) {
	kind := opSet(1) << o.kind
	switch {
	case c.isServer() && kind&clientOnly != 0:
		return ErrNotOnServer, nil
	case !c.isServer() && kind&serverOnly != 0:
		return ErrNotOnClient, nil
	case o.flags&^legalFlags[o.kind] != 0:
		return ErrInvalidFlags, nil
	case o.kind == SendMessageOp && o.buffer == nil && !o.isValue:
		return ErrInvalidMessage, errNoBuffer
	case len(o.md) > 0:
		if err := o.md.Validate(); err != nil {
			return ErrInvalidMetadata, err
		}
	}
	return "", nil
}

// isBlocking reports whether a goroutine waits for comp: then it is its stack that takes memory, and
// its message stays as it was if no other one comes.
func isBlocking(comp cq.Completer) bool {
	_, ok := comp.(*cq.Waiter)
	return ok
}

// reserve applies the rules that depend on the state of the call, and takes the kinds, so that no
// other batch can come between this and start. It returns the completer, the call's own if comp is
// nil.
func (c *Call) reserve(p *parcel, comp cq.Completer, ops []Op) (cq.Completer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if comp == nil {
		comp = c.completer
	}
	if comp == nil {
		return nil, &BatchError{Op: firstKind(ops), Reason: ErrCall, Cause: errNoCompleter}
	}
	if clash := p.set & (c.busy | c.used&onceOps); clash != 0 {
		return nil, &BatchError{Op: clash.first(), Reason: ErrTooManyOperations}
	}
	p.reserved, p.stream, p.comp = p.set, c.stream, c.coding.sending()
	p.reclaims = p.set.has(RecvMessageOp) && !c.recv.isLean && !isBlocking(comp)
	if c.caller != nil {
		p.watch = c.caller.watch
	}
	if c.passage != nil && c.phase == running {
		p.passing = &passing{passage: c.passage}
	}
	if p.set.has(SendStatusOp) {
		c.planResponseLocked(p, ops)
	}
	p.fresh = p.set &^ c.used
	c.busy |= p.reserved
	c.used |= p.set
	return comp, nil
}

// unreserve undoes reserve.
func (c *Call) unreserve(p *parcel) {
	c.mu.Lock()
	c.busy &^= p.reserved
	c.used &^= p.fresh
	c.mu.Unlock()
}

// start occupies the slots and does what the operations ask for.
func (c *Call) start(b *batch, p *parcel) {
	var lane cq.Lane
	var a after
	c.mu.Lock()
	c.busy &^= p.reserved &^ p.set
	for k := range numOpKinds {
		if p.set.has(k) {
			c.slots[slotOf[k]] = b
		}
	}
	c.sendLocked(p, &a, &lane)
	c.recvLocked(p.set, &a, &lane)
	n := c.send.accepted
	c.mu.Unlock()
	a.perform(c)
	if p.hinted {
		c.settleBuffered(n, &lane)
	}
	lane.Flush()
}

// batch is the operations of one tag. It lives from StartBatch to the harvest
// of its event.
type batch struct {
	// immutable
	call    *Call
	to      cq.Completer
	tag     cq.Tag
	value   any
	got     *bool
	results *results // where resultOps write; nil: nowhere
	set     opSet
	isValue bool // RecvMessage unmarshals into value; else that is a **Buffer
	isNext  bool // RecvMessage fails without a message

	// guarded by call.mu until the completion is posted, the harvester's then
	pending      uint8 // operations outstanding
	failed       bool  // one of them did not succeed
	isCompressed bool  // body is
	isPassing    bool  // body goes through the call's passage
	body         *mem.Buffer
	credit       int // bytes to return when body is taken
}

// results is where the operations that tell of the call as a whole write. A batch
// that only waits for a message has none.
type results struct {
	initial   *cqrpc.Metadata
	trailing  *cqrpc.Metadata
	status    *cqrpc.Status
	cancelled *bool // RecvClose
}

var resultsPool = sync.Pool{New: func() any { return new(results) }}

// resultsOf returns the results for writing, made if need be.
func (b *batch) resultsOf() *results {
	if b.results == nil {
		b.results = resultsPool.Get().(*results)
	}
	return b.results
}

// recycle ends the batch's life.
func (b *batch) recycle() {
	if b.results != nil {
		*b.results = results{}
		resultsPool.Put(b.results)
	}
	*b = batch{}
	batches.Put(b)
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func newBatch(c *Call, comp cq.Completer, tag cq.Tag, set opSet, ops []Op) *batch {
	b := batches.Get().(*batch)
	b.call, b.to, b.tag, b.set, b.pending = c, comp, tag, set, uint8(len(ops))
	for i := range ops {
		switch o := &ops[i]; o.kind {
		case RecvInitialMetadataOp:
			b.resultsOf().initial = o.intoMD
		case RecvMessageOp:
			b.value, b.isValue, b.isNext, b.got = o.value, o.isValue, o.isNext, o.intoFlag
			if o.intoMsg != nil {
				b.value = o.intoMsg
			}
		case RecvStatusOp:
			r := b.resultsOf()
			r.status, r.trailing = o.intoStat, o.intoMD
		case RecvCloseOp:
			b.resultsOf().cancelled = o.intoFlag
		}
	}
	return b
}

// slotLocked returns the batch whose operation of a kind is outstanding, or nil.
func (c *Call) slotLocked(k OpKind) *batch {
	if b := c.slots[slotOf[k]]; b != nil && b.set.has(k) {
		return b
	}
	return nil
}

// settleLocked completes the outstanding operation of a kind, if there is one.
func (c *Call) settleLocked(k OpKind, ok bool, lane *cq.Lane) {
	b := c.slotLocked(k)
	if b == nil {
		return
	}
	c.slots[slotOf[k]] = nil
	c.busy &^= 1 << k
	if !ok {
		b.failed = true
	}
	if b.pending--; b.pending == 0 {
		lane.Add(b.to, cq.Completion{Tag: b.tag, OK: b.succeeded(), Finalizer: b})
	}
}

// succeeded is what the event reports: a batch with a final operation always
// does, since that one says how the call ended.
func (b *batch) succeeded() bool { return !b.failed || b.set&finalOps != 0 }
