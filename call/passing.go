package call

import (
	"slices"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// passing is what filters need of a batch that sends.
type passing struct {
	passage *passage
	size    int           // of the message
	refusal *cqrpc.Error  // of the message, by a filter
	answer  *cqrpc.Status // of SendStatus
}

// isRefused shows a message to the filters, and reports whether one refused it: then
// the batch ends the call, as one with a message over its limit does.
func (p *parcel) isRefused(c *Call, o *Op) bool {
	if p.passing == nil {
		return false
	}
	var m any = o.buffer
	if o.isValue {
		m = o.value
	}
	err := p.passing.passage.send(c, m)
	if err == nil {
		return false
	}
	p.excess, p.passing.refusal = &err.Status, err
	return true
}

// measure notes the size of the message, before it is compressed.
func (p *parcel) measure(body *mem.Buffer) {
	if p.passing != nil {
		p.passing.size = body.Len()
	}
}

// keepAnswer notes how a server ends the call.
func (p *parcel) keepAnswer(o *Op) {
	if p.passing != nil {
		st := o.status
		p.passing.answer = &st
	}
}

// metadata is what SendInitialMetadata sends.
func (p *parcel) metadata(o *Op) cqrpc.Metadata {
	if p.passing == nil || !p.passing.passage.isBatch {
		return o.md
	}
	return append(slices.Clip(o.md), p.passing.passage.start.Metadata...)
}

// verdict is excess as the end of the call.
func (p *parcel) verdict() *verdict {
	v := &verdict{how: byAbandon, origin: cqrpc.OriginLocal, status: *p.excess}
	if p.passing != nil && p.passing.refusal != nil {
		v.cause, v.isRefusal = p.passing.refusal.Cause, true
	}
	return v
}
