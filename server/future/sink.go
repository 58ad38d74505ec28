package future

import (
	"context"
	"iter"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/half"
)

// ResponseSink is the one response of a call. Success or Fail must be called once, by
// any goroutine, now or later; for a call that has ended it is not needed, and does no
// harm. A second call fails with future.ErrClosed.
type ResponseSink[T any] struct{ rpc *rpc }

// Success ends the call with res and OK. res may be reused when it returns. The
// future is resolved when that was written and the call is over; it fails, with
// a *cqrpc.Error, if the call had ended before. A response that cannot be
// marshalled ends the call with INTERNAL.
func (s *ResponseSink[T]) Success(res *T) *future.Future[struct{}] { return s.rpc.respond(res) }

// Fail ends the call with st; OK, which a response must come with, becomes
// UNKNOWN. The future is that of Success.
func (s *ResponseSink[T]) Fail(st cqrpc.Status) *future.Future[struct{}] {
	return s.rpc.end(failed(st))
}

// failed is st as the status of a call that fails.
func failed(st cqrpc.Status) cqrpc.Status {
	if st.Code == cqrpc.CodeOK {
		st.Code = cqrpc.CodeUnknown
	}
	return st
}

// Sink is the responses of a call. Close or Fail must be called once, by any
// goroutine, now or later; for a call that has ended it is not needed, and does no
// harm. Messages go out in the order of the calls of Send. One may be
// on its way and one wait behind it: another Send, before one of their futures is
// resolved, fails with future.ErrPending and sends nothing. A program that sends at any
// time, such as a chat room, keeps a queue for each sink, and sends the next message in
// the OnComplete of the last: a slow client costs no more than that queue may hold. All
// methods may be called concurrently.
//
// Once the call has ended nothing can be sent: Send and Flush fail with a
// *cqrpc.Error that says why.
type Sink[T any] struct{ rpc *rpc }

// Send sends the next message; m may be reused when Send returns. The future is
// resolved when flow control has taken the message and it was written; with the
// flag call.BufferHint, as soon as it fits the write buffer of 64 KiB. The first
// message takes the initial metadata along, and goes out at once in any case. A
// message that cannot be marshalled fails the future and not the call.
func (s *Sink[T]) Send(m *T, flags ...call.Flags) *future.Future[struct{}] {
	return s.rpc.out.Send(m, call.Flags(0).With(flags...), s)
}

// SendBuffer is Send of a message that was encoded before, see [call.Encode], with
// the codec of the call. It takes ownership of b, even if it fails: to send it to other
// sinks as well, give each a b.Ref().
func (s *Sink[T]) SendBuffer(b *call.Buffer, flags ...call.Flags) *future.Future[struct{}] {
	return s.rpc.out.SendBuffer(b, call.Flags(0).With(flags...), s)
}

// EnhanceBatch makes a burst of messages one write, or ends that (grpc-rs
// enhance_batch). One message, but not the first, is then kept back: the future
// of a Send is about the message before, which goes out with BufferHint; the
// last one goes out by Flush, Close or Fail, with BufferHint only if every
// message since the last Flush was given it. Without Flush it stays here. To turn
// it off flushes. During a SendFrom it says what is to be afterwards. Default: off.
func (s *Sink[T]) EnhanceBatch(on bool) { s.rpc.out.Enhance(on) }

// Flush sends the message that EnhanceBatch keeps back, if there is one. The
// future is resolved when everything sent before was taken.
func (s *Sink[T]) Flush() *future.Future[struct{}] { return s.rpc.out.Flush(s) }

// SendAll sends the messages of seq, as a batch: enhanced, and flushed in the
// end. It waits for each to be taken, so seq is drawn as fast as the client
// reads; seq runs on the calling goroutine and may block. It returns ctx's error
// if that ends while it waits, and then one message may be under way. It does
// not close the sink. Not for pollers, and so not for handlers: only for
// goroutines they start.
func (s *Sink[T]) SendAll(ctx context.Context, seq iter.Seq[*T]) error {
	return half.SendAll(ctx, s.rpc.out, seq, s)
}

// SendFrom sends what next gives until it gives false, as a batch: enhanced, and
// flushed in the end. It is SendAll that waits for nothing: next is called by the
// poller of the call, when the client has taken what came before, and must not
// block. future.Values makes a next of a slice. The future is resolved when all
// was taken; it fails with the first error of a Send. A panic of next is one of
// the handler, and the future's *future.PanicError. Until it is resolved a Send or
// another SendFrom fails with future.ErrPending. It does not close the sink; to
// close it too early fails the future with future.ErrClosed.
func (s *Sink[T]) SendFrom(next func() (*T, bool)) *future.Future[struct{}] {
	return s.rpc.out.SendFrom(func() (any, bool) { return next() }, s.rpc.crashed, s)
}

// SetHeader is Context.SetHeader.
func (s *Sink[T]) SetHeader(md cqrpc.Metadata) error { return s.rpc.ctx.SetHeader(md) }

// SetStatus makes st what Close ends the call with. Default: OK.
func (s *Sink[T]) SetStatus(st cqrpc.Status) {
	s.rpc.mu.Lock()
	defer s.rpc.mu.Unlock()
	if s.rpc.answering == undecided {
		s.rpc.status = st
	}
}

// Close ends the call, after what is kept back, with OK or what SetStatus said.
// The future is resolved when that was written and the call is over; it fails,
// with a *cqrpc.Error, if the call had ended before.
func (s *Sink[T]) Close() *future.Future[struct{}] {
	s.rpc.mu.Lock()
	st := s.rpc.status
	s.rpc.mu.Unlock()
	return s.rpc.end(st)
}

// Fail ends the call with st, after what is kept back; OK becomes UNKNOWN, for
// which there is Close. The future is that of Close.
func (s *Sink[T]) Fail(st cqrpc.Status) *future.Future[struct{}] { return s.rpc.end(failed(st)) }

// Cancel ends the call at once: the client sees CANCELLED, unless the call has
// ended.
func (s *Sink[T]) Cancel() { s.rpc.ctx.TryCancel() }
