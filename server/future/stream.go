package future

import (
	"context"
	"errors"
	"iter"

	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/half"
)

// Stream is the requests of a call. It need not be read to its end: a call that
// is answered drops what is left. All methods may be called concurrently; one
// Next at a time may be unresolved.
//
// One message is read ahead: that and what the windows of flow control hold is
// how far the client can be ahead of the handler.
type Stream[T any] struct {
	rpc  *rpc
	half half.Receiver[T]
}

// Next returns the future of the next request. After the last it fails: with
// io.EOF if the client has sent all, else with a *cqrpc.Error that says why the
// call has ended, or with future.ErrFinished if it was answered; with
// future.ErrPending while the future of the Next before is not resolved, and with
// future.ErrClosed after Close.
func (s *Stream[T]) Next() *future.Future[*T] { return s.half.Next(s) }

// Recv waits for the next request, with the errors of Next, or until ctx ends,
// and then returns ctx's error: the request is not lost but left for the next
// Recv or Next. Not for pollers, and so not for handlers: only for goroutines
// they start.
func (s *Stream[T]) Recv(ctx context.Context) (*T, error) { return s.half.Recv(ctx, s) }

// All yields the requests until the end; an error, if any, comes last. Leaving
// the loop, or the end of ctx, closes the stream. Not for pollers, as Recv.
func (s *Stream[T]) All(ctx context.Context) iter.Seq2[*T, error] {
	return s.half.All(ctx, s, s.Close)
}

// ForEach calls fn with each request, on the poller of the call, one after the
// other: fn must not block. The future is resolved after the last; it fails with
// the errors of Next, but for io.EOF, or with the first error of fn: then the
// stream has been closed, and the call is yet to be ended. A panic of fn is one
// of the handler, and the future's *future.PanicError. Until it is resolved a Next
// or another ForEach fails with future.ErrPending.
func (s *Stream[T]) ForEach(fn func(*T) error) *future.Future[struct{}] {
	return s.half.ForEach(func(m *T) (*half.Done, error) { return nil, fn(m) }, s.stop)
}

// ForEachThen is ForEach for a function that takes its time, without blocking:
// the next request comes when the future that fn returned is resolved, and an
// error of that is one of fn.
func (s *Stream[T]) ForEachThen(fn func(*T) *future.Future[struct{}]) *future.Future[struct{}] {
	return s.half.ForEach(half.Steps(fn), s.stop)
}

// stop gives up the rest because of an error of the application's.
func (s *Stream[T]) stop(err error) {
	s.Close()
	if e, ok := errors.AsType[*future.PanicError](err); ok {
		s.rpc.crashed(e)
	}
}

// Close gives up the rest of the requests, so that the client is not held back
// by flow control. The call goes on.
func (s *Stream[T]) Close() { s.half.Close() }

// Cancel ends the call at once: the client sees CANCELLED, unless the call has
// ended.
func (s *Stream[T]) Cancel() { s.rpc.ctx.TryCancel() }
