package call

import (
	"errors"
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// Finalize is run by the goroutine that harvests the event: it decodes the
// message, returns its credit and writes all out-parameters. It implements
// cq.Finalizer.
func (b *batch) Finalize(ev *cq.Event) bool {
	var undecodable *cqrpc.Error
	if b.set.has(RecvMessageOp) {
		if b.isPassing {
			undecodable = b.takePassing()
		} else {
			undecodable = b.takeMessage()
		}
	}
	if b.set&resultOps != 0 {
		b.takeResults()
	}
	ev.OK, ev.Err = b.succeeded(), nil
	switch {
	case ev.OK:
	case undecodable != nil:
		ev.Err = undecodable
	default:
		ev.Err = b.call.reason()
	}
	b.recycle()
	return true
}

// Drop is for styles: it takes the completion of a batch that has received a message
// which nobody wants, like Harvest, but nothing is decompressed.
func Drop(f cq.Finalizer) {
	if b, ok := f.(*batch); ok {
		b.failed = true
	}
	cq.Completion{Finalizer: f}.Harvest()
}

// takeMessage hands the message, or that there is none, to the application.
func (b *batch) takeMessage() (err *cqrpc.Error) {
	body := b.body
	b.body = nil // taken, even if a codec panics
	switch {
	case body == nil:
	case !b.accept():
		body.Free()
		body = nil
	default:
		body, err = b.decode(frame.Message{Compressed: b.isCompressed, Body: body})
	}
	if b.got != nil {
		*b.got = body != nil
	}
	if b.isNext && body == nil {
		b.failed = true
	}
	if into, ok := b.value.(**Buffer); ok && !b.isValue {
		*into = body
	} else {
		body.Free()
	}
	return err
}

// accept returns the message's credit and reports whether the application is to get
// the message: not if another operation of the batch failed, unless its RecvStatus
// says that the call succeeded.
func (b *batch) accept() bool {
	c := b.call
	var s Stream
	isOK := false
	if c.isServer() {
		s = c.stream // a server's never changes
	} else {
		c.mu.Lock()
		s = c.stream
		isOK = b.set.has(RecvStatusOp) && c.end.status.Code == cqrpc.CodeOK
		c.mu.Unlock()
	}
	if s != nil && b.credit > 0 {
		s.Consume(b.credit)
		b.credit = 0
	}
	return !b.failed || isOK
}

// decode inflates and unmarshals m, which it takes. A message that cannot be
// decoded ends the call.
func (b *batch) decode(m frame.Message) (*mem.Buffer, *cqrpc.Error) {
	body, err := b.call.inflate(m)
	hasReturned := false
	defer func() {
		if !hasReturned { // a codec has panicked, or it or a filter has ended the goroutine
			body.Free()
		}
	}()
	if err == nil && b.isValue {
		err = b.call.unmarshal(body, b.value)
	}
	isRefusal := false
	if err == nil && b.isPassing {
		err = b.pass(body)
		isRefusal = err != nil
	}
	hasReturned = true
	if err == nil {
		return body, nil
	}
	body.Free()
	b.failed = true
	err.Cause = causeOf(err.Cause)
	b.call.conclude(verdict{
		how: byAbandon, status: err.Status, origin: cqrpc.OriginLocal, cause: err.Cause,
		isDecoding: true, isRefusal: isRefusal,
	})
	return nil, err
}

// inflate takes m and returns its message as it was before compression.
func (c *Call) inflate(m frame.Message) (*mem.Buffer, *cqrpc.Error) {
	if !m.Compressed {
		return m.Body, nil
	}
	c.mu.Lock()
	comp := c.coding.receiving()
	c.mu.Unlock()
	if comp == nil {
		return m.Body, cqrpc.Errorf(cqrpc.CodeInternal, "compressed message without grpc-encoding")
	}
	out := mem.Get(c.inflatedSize(comp, m.Body.Bytes()))
	hasReturned := false
	defer func() {
		m.Body.Free()
		if !hasReturned { // the compressor has panicked
			out.Free()
		}
	}()
	data, err := comp.Decompress(out.Bytes()[:0], m.Body.Bytes(), c.shared().maxRecv())
	hasReturned = true
	out.Adopt(data)
	switch {
	case errors.Is(err, codec.ErrTooLarge):
		return out, cqrpc.Errorf(cqrpc.CodeResourceExhausted, "%sReceived message larger than max: %w", c.prefix(), err)
	case err != nil:
		return out, cqrpc.Errorf(cqrpc.CodeInternal, "cannot decompress message with %s: %w", comp.Name(), err)
	}
	return out, nil
}

// trustedSize is the size, in bytes, up to which a compressed message's own claim is
// believed: pools have buffers of that size anyway.
const trustedSize = 64 << 10

// inflatedSize is how much room src gets to begin with. The message may outgrow it.
func (c *Call) inflatedSize(comp codec.Compressor, src []byte) int {
	size := 4 * len(src) // a guess
	if s, ok := comp.(codec.Sizer); ok {
		if n := s.DecompressedSize(src); n >= 0 {
			size = min(n, max(4*size, trustedSize)-1) + 1 // one more is where the end is found
		}
	}
	if limit := c.shared().maxRecv(); limit >= 0 {
		size = min(size, limit)
	}
	return size
}

// unmarshal leaves body to its owner, also if the codec panics or ends its goroutine. The text of
// its error goes to the peer, with at most 512 runes of the codec's, which may quote what the peer has sent.
func (c *Call) unmarshal(body *mem.Buffer, v any) *cqrpc.Error {
	err := c.shared().Codec.Unmarshal(body.Bytes(), v)
	if err == nil {
		return nil
	}
	return &cqrpc.Error{Status: cqrpc.Status{
		Code: cqrpc.CodeInternal, Message: fmt.Sprintf("cannot unmarshal message into %T: %.512v", v, err),
	}, Cause: err}
}

// prefix says, in a status message, whose limit was exceeded, as C-core does.
func (c *Call) prefix() string {
	if c.isServer() {
		return "SERVER: "
	}
	return "CLIENT: "
}

// resultOps are those that tell of the call as a whole.
const resultOps = opSet(1<<RecvInitialMetadataOp | 1<<RecvStatusOp | 1<<RecvCloseOp)

// takeResults writes the results as the call knows them by now.
func (b *batch) takeResults() {
	c := b.call
	c.mu.Lock()
	v := c.end
	r := b.results
	if r.initial != nil {
		*r.initial = c.caller.initial
	}
	if b.set.has(RecvStatusOp) {
		c.statusTaken = true
	}
	c.mu.Unlock()
	if r.status != nil {
		*r.status = v.status
	}
	if r.trailing != nil {
		*r.trailing = v.trailing
	}
	if r.cancelled != nil {
		*r.cancelled = v.how != byStatus
	}
}

// reason is why an operation failed.
func (c *Call) reason() error {
	c.mu.Lock()
	v := c.end
	c.mu.Unlock()
	return v.err()
}

// err is the verdict as the reason why an operation failed.
func (v *verdict) err() error {
	if v.status.Code == cqrpc.CodeOK {
		return ErrEnded
	}
	return &cqrpc.Error{Status: v.status, Origin: v.origin, Cause: causeOf(v.cause)}
}

var _ cq.Finalizer = (*batch)(nil)
