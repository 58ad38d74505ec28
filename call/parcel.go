package call

import (
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// parcel is what the send operations of a batch become on the goroutine that
// starts it.
type parcel struct {
	set      opSet
	reserved opSet // set, and what must not be started meanwhile
	fresh    opSet // kinds not started before

	out      frame.Outgoing
	flags    Flags         // of SendInitialMetadata
	hinted   bool          // SendMessage has BufferHint
	spent    *mem.Buffer   // what out.Message was compressed from
	draft    *mem.Buffer   // while a compressor writes into it
	borrowed bool          // out.Message is the application's until the batch is accepted
	excess   *cqrpc.Status // ends the call: a message or metadata over its limit
	stream   Stream        // a server's
	comp     codec.Compressor
	watch    watching
	passing  *passing // nil: no filters, or the call has ended

	reclaims     bool // what a message is received into may have memory for others
	trailersOnly bool // the status goes out as Trailers-Only
	implied      bool // initial metadata goes out without being asked for
}

func (p *parcel) waitForReady(byDefault bool) bool {
	if p.flags&WaitForReadySet != 0 || p.flags&WaitForReady != 0 {
		return p.flags&WaitForReady != 0
	}
	return byDefault
}

// planResponseLocked decides in which form a status goes out, and reserves what
// must not be started in between, initial metadata above all.
func (c *Call) planResponseLocked(p *parcel, ops []Op) {
	if c.used.has(SendInitialMetadataOp) {
		return
	}
	hasMessage := p.set.has(SendMessageOp) || c.busy.has(SendMessageOp)
	hasMetadata := false
	for i := range ops {
		hasMetadata = hasMetadata || ops[i].kind == SendInitialMetadataOp && len(ops[i].md) > 0
	}
	p.trailersOnly = !hasMessage && !hasMetadata
	p.implied = !p.trailersOnly && !p.set.has(SendInitialMetadataOp)
	p.reserved |= 1 << SendInitialMetadataOp
	if p.trailersOnly {
		p.reserved |= 1 << SendMessageOp
	}
}

// pack encodes the sends. On error, or if a codec panics, the caller keeps its buffers
// and what reserve did is undone.
func (c *Call) pack(p *parcel, ops []Op) error {
	isPacked := false
	defer func() {
		if !isPacked {
			p.discard()
			c.unreserve(p)
		}
	}()
	for i := range ops {
		o := &ops[i]
		switch o.kind {
		case SendInitialMetadataOp:
			p.flags = o.flags
			if !p.trailersOnly {
				c.packHeaders(p, p.metadata(o))
			}
		case SendMessageOp:
			if err := c.packMessage(p, o); err != nil {
				return &BatchError{Op: o.kind, Reason: ErrInvalidMessage, Cause: err}
			}
		case SendCloseOp:
			p.out.End = true
		case SendStatusOp:
			p.keepAnswer(o)
			p.out.Trailers, p.out.End = c.trailersFor(p.stream, &o.status, o.md, p.trailersOnly), true
		}
	}
	if p.implied {
		c.packHeaders(p, nil)
	}
	if p.reclaims { // last: the batch may send the same value
		c.reclaim(ops)
	}
	isPacked = true
	return nil
}

// reclaim lets the codec take memory out of what a message is to be received into: that may be long
// in coming.
func (c *Call) reclaim(ops []Op) {
	k, ok := c.shared().Codec.(codec.Reclaimer)
	if !ok {
		return
	}
	for i := range ops {
		if o := &ops[i]; o.kind == RecvMessageOp && o.isValue {
			k.Reclaim(o.value)
		}
	}
}

func (c *Call) packHeaders(p *parcel, md cqrpc.Metadata) {
	if !c.isServer() { // Bind checks the size: only then is the peer known
		p.out.Headers = c.requestList(p.comp, md)
		return
	}
	p.out.Headers = c.responseList(p.comp, md)
	if n, limit := p.out.Headers.Size(), p.stream.MaxHeaderList(); uint64(n) > uint64(limit) {
		st := tooMuchMetadata(n, limit)
		p.excess = &st
	}
}

// packMessage marshals, checks and compresses one message.
func (c *Call) packMessage(p *parcel, o *Op) error {
	body := o.buffer
	p.borrowed, p.hinted = !o.isValue, o.flags&BufferHint != 0
	p.out.Message = body
	if p.isRefused(c, o) {
		return nil
	}
	if o.isValue {
		var err error
		if body, err = Encode(c.shared().Codec, o.value); err != nil {
			return err
		}
	}
	p.out.Message = body
	p.measure(body)
	if limit := c.shared().maxSend(); body.Len() > limit {
		p.excess = &cqrpc.Status{
			Code:    cqrpc.CodeResourceExhausted,
			Message: fmt.Sprintf("Sent message larger than max (%d vs. %d)", body.Len(), limit),
		}
		return nil
	}
	compressed := false
	if p.comp != nil && o.flags&NoCompress == 0 && body.Len() > 0 {
		small, err := p.compress(body)
		if err != nil {
			return err
		}
		if compressed = small != nil; compressed {
			p.out.Message, p.spent = small, body
		}
	}
	frame.PutPrefix(&p.out.Prefix, compressed, p.out.Message.Len())
	return nil
}

// compress returns nil if the message does not get smaller.
func (p *parcel) compress(body *mem.Buffer) (*mem.Buffer, error) {
	b := mem.Get(body.Len())
	p.draft = b
	data, err := p.comp.Compress(b.Bytes()[:0], body.Bytes())
	if err != nil {
		return nil, fmt.Errorf("compress with %s: %w", p.comp.Name(), err)
	}
	p.draft = nil
	b.Adopt(data)
	if b.Len() >= body.Len() {
		b.Free()
		return nil, nil
	}
	return b, nil
}

// discard frees what pack has made; the application keeps its buffer.
func (p *parcel) discard() {
	p.draft.Free()
	switch {
	case !p.borrowed:
		p.out.Message.Free()
		p.spent.Free()
	case p.spent != nil:
		p.out.Message.Free()
	}
	p.out.Headers.Free()
	p.out.Trailers.Free()
	p.out, p.draft = frame.Outgoing{}, nil
}

// take takes ownership of the application's buffer: the batch is accepted.
func (p *parcel) take() {
	p.spent.Free()
	p.spent, p.borrowed = nil, false
}
