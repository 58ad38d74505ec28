package future

import (
	"context"
	"iter"
	"sync"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/half"
)

// Sink is the requests of a call. It must be closed, or cancelled; a call that
// ends closes it. Messages go out in the order of the calls of Send. One may be
// on its way and one wait behind it: another Send, before one of their futures is
// resolved, fails with future.ErrPending and sends nothing. A program that sends at any
// time, such as a chat room, keeps a queue for each sink, and sends the next message in
// the OnComplete of the last: a slow server costs no more than that queue may hold. All
// methods may be called concurrently.
//
// Once the call has ended nothing can be sent: Send and Flush fail with the
// call's *cqrpc.Error, or with future.ErrFinished if it ended OK.
type Sink[T any] struct{ out *sending }

// Send sends the next message; m may be reused when Send returns. The future is
// resolved when flow control has taken the message and it was written; with the
// flag call.BufferHint, as soon as it fits the write buffer of 64 KiB. Await
// it before the next Send to send as fast as the server takes messages. A message
// that cannot be marshalled fails the future and not the call.
func (s *Sink[T]) Send(m *T, flags ...call.Flags) *future.Future[struct{}] {
	return s.out.half.Send(m, call.Flags(0).With(flags...), s)
}

// SendBuffer is Send of a message that was encoded before, see [call.Encode], with
// the codec of the call. It takes ownership of b, even if it fails: to send it to other
// sinks as well, give each a b.Ref().
func (s *Sink[T]) SendBuffer(b *call.Buffer, flags ...call.Flags) *future.Future[struct{}] {
	return s.out.half.SendBuffer(b, call.Flags(0).With(flags...), s)
}

// EnhanceBatch makes a burst of messages one write, or ends that (grpc-rs
// enhance_batch). One message is then kept back: the future of a Send is about
// the message before, which goes out with BufferHint; the last one goes out by
// Flush or Close, with BufferHint only if every message since the last Flush was
// given it. Without Flush it stays here. To turn it off flushes. During a SendFrom
// it says what is to be afterwards. Default: off.
func (s *Sink[T]) EnhanceBatch(on bool) { s.out.half.Enhance(on) }

// Flush sends the message that EnhanceBatch keeps back, if there is one. The
// future is resolved when everything sent before was taken.
func (s *Sink[T]) Flush() *future.Future[struct{}] { return s.out.half.Flush(s) }

// SendAll sends the messages of seq, as a batch: enhanced, and flushed in the
// end. It waits for each to be taken, so seq is drawn as fast as the server
// reads; seq runs on the calling goroutine and may block. It returns ctx's error
// if that ends while it waits, and then one message may be under way. It does
// not close the sink. Not for pollers.
func (s *Sink[T]) SendAll(ctx context.Context, seq iter.Seq[*T]) error {
	return half.SendAll(ctx, &s.out.half, seq, s)
}

// SendFrom sends what next gives until it gives false, as a batch: enhanced, and
// flushed in the end. It is SendAll that waits for nothing: next is called by the
// poller of the call, when the server has taken what came before, and must not
// block. future.Values makes a next of a slice. The future is resolved when all
// was taken; it fails with the first error of a Send, or with a panic of next as
// a *future.PanicError. Until it is resolved a Send or another SendFrom fails with
// future.ErrPending. It does not close the sink; to close it too early fails the
// future with future.ErrClosed.
func (s *Sink[T]) SendFrom(next func() (*T, bool)) *future.Future[struct{}] {
	return s.out.half.SendFrom(func() (any, bool) { return next() }, func(*future.PanicError) {}, s)
}

// Close ends the requests, after what is kept back: the server sees their end.
// The future is resolved when that was written, or the call has ended, with an
// error only if messages could not be sent. It may be called again: the future
// is the same.
func (s *Sink[T]) Close() *future.Future[struct{}] { return s.out.close() }

// Cancel ends the call with CANCELLED, if it has not ended.
func (s *Sink[T]) Cancel() { s.out.rpc.Cancel() }

// sending is the sink's side of a call. It is unused if the shape has no sink.
type sending struct {
	rpc  *rpc
	half half.Sender

	mu sync.Mutex
	// guarded by mu
	closing *future.Promise[struct{}] // made by the first Close
}

// bind makes the call one with a sink.
func (o *sending) bind(r *rpc) {
	o.rpc = r
	o.half.Bind(r.prepared.Call, r.home.Queue(), o, nil)
}

func (o *sending) close() *future.Future[struct{}] {
	o.mu.Lock()
	p := o.closing
	isFirst := p == nil
	if isFirst {
		p = new(future.Promise[struct{}])
		o.closing = p
	}
	o.mu.Unlock()
	if isFirst {
		o.half.Close()
	}
	return p.Future()
}

func (o *sending) isOpen() bool { return o.rpc != nil && o.half.IsOpen() }

// over tells the sink that the call has ended.
func (o *sending) over(err error) {
	if o.rpc != nil {
		o.half.Over(err)
	}
}

// Head implements half.Side: what comes first was sent when the call was made.
func (o *sending) Head(bool) (call.Op, bool) { return call.Op{}, false }

// Revert implements half.Side.
func (o *sending) Revert() {}

// End implements half.Side.
func (o *sending) End() call.Op { return call.SendClose() }

// Ended implements half.Side.
func (o *sending) Ended(err error) {
	o.mu.Lock()
	p := o.closing
	o.mu.Unlock()
	p.Settle(struct{}{}, err)
}
