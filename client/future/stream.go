package future

import (
	"context"
	"iter"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/half"
	"github.com/cqrpc/cqrpc/internal/station"
)

// Stream is the responses of a call. It must be read to its end, or closed, or
// its context must end. All methods may be called concurrently; one Next at a
// time may be unresolved.
//
// One message is read ahead, so the server can be ahead of the application by that and
// by what the windows of flow control hold. Messages that arrived before a status that
// is not OK are yielded, then the error.
type Stream[T any] struct{ in *receiving[T] }

// Next returns the future of the next message. After the last it fails: with
// io.EOF if the call ended OK, else with the call's *cqrpc.Error; with
// future.ErrPending while the future of the Next before is not resolved, and
// with future.ErrClosed after Close.
func (s *Stream[T]) Next() *future.Future[*T] { return s.in.half.Next(s) }

// Recv waits for the next message, with the errors of Next, or until ctx ends,
// and then returns ctx's error: the message is not lost but left for the next
// Recv or Next. Not for pollers.
func (s *Stream[T]) Recv(ctx context.Context) (*T, error) { return s.in.half.Recv(ctx, s) }

// All yields the messages until the end; an error, if any, comes last. Leaving
// the loop, or the end of ctx, closes the stream. Not for pollers.
func (s *Stream[T]) All(ctx context.Context) iter.Seq2[*T, error] {
	return s.in.half.All(ctx, s, s.Close)
}

// ForEach calls fn with each message, on the poller of the call, one after the
// other: fn must not block. The future is resolved after the last; it fails with
// the errors of Next, but for io.EOF, or with the first error of fn, or its panic
// as a *future.PanicError: then the stream has been closed. Until it is resolved
// a Next or another ForEach fails with future.ErrPending.
func (s *Stream[T]) ForEach(fn func(*T) error) *future.Future[struct{}] {
	return s.in.half.ForEach(func(m *T) (*half.Done, error) { return nil, fn(m) }, s.stop)
}

// ForEachThen is ForEach for a function that takes its time, without blocking:
// the next message comes when the future that fn returned is resolved, and an
// error of that is one of fn.
func (s *Stream[T]) ForEachThen(fn func(*T) *future.Future[struct{}]) *future.Future[struct{}] {
	return s.in.half.ForEach(half.Steps(fn), s.stop)
}

// stop gives the responses up because of an error of the application.
func (s *Stream[T]) stop(error) { s.Close() }

// Header returns the future of the response's initial metadata, which is empty
// if the server answered with a status only. It fails with the call's error if
// there was no answer.
func (s *Stream[T]) Header() *future.Future[cqrpc.Metadata] { return s.in.rpc.Header() }

// Trailer returns the trailing metadata once the stream has come to its end, nil
// before.
func (s *Stream[T]) Trailer() cqrpc.Metadata { return s.in.rpc.Trailer() }

// Peer returns the server's address; the zero Peer while there is no connection.
func (s *Stream[T]) Peer() call.Peer { return s.in.rpc.Peer() }

// Cancel ends the call with CANCELLED, if it has not ended. What was read ahead
// is still yielded, then the error.
func (s *Stream[T]) Cancel() { s.in.rpc.Cancel() }

// Close gives the responses up: it ends the call with CANCELLED, if it has not
// ended, also for its Sink, and frees what has arrived. It does nothing after
// the end of the stream, so that it can be deferred.
func (s *Stream[T]) Close() {
	s.in.half.Close()
	s.in.prepared.Call.Close()
}

// receiving is a call with many responses.
type receiving[T any] struct {
	rpc
	out sending

	half half.Receiver[T]
}

// ServerStream calls a method with one request and many responses. req may be
// reused when it returns. It never fails by itself: what is wrong is the error
// of the first Next.
func ServerStream[Req, Res any](
	ctx context.Context, s *Stub, m call.Method[Req, Res], req *Req, opts ...client.CallOption,
) *Stream[Res] {
	r := new(receiving[Res])
	err := r.prepare(ctx, s, m.Name, false, opts, r)
	r.half.Bind(r.prepared.Call, s.home.Queue(), nil)
	if err == nil {
		ops := [...]call.Op{
			call.SendInitialMetadata(r.prepared.Metadata), call.SendValue(req), call.SendClose(), call.RecvStatus(nil, nil),
		}
		err = r.launch((*concluding[Res])(r), ops[:])
	}
	if err != nil {
		r.half.Reject(err)
	}
	return r.stream()
}

// stream is the application's handle.
func (r *receiving[T]) stream() *Stream[T] {
	s := &Stream[T]{r}
	station.Guard(r.home, s, (*streamLeak[T])(r))
	return s
}

// concluding is the view of a receiving that the batch with RECV_STATUS
// completes.
type concluding[T any] receiving[T]

// Run implements cq.Callback.
func (v *concluding[T]) Run(cq.Event) {
	r := (*receiving[T])(v)
	err := r.over()
	defer r.half.Conclude(err) // even if a function that waits for a Send panics
	r.out.over(err)
}

// Left implements station.Tenant.
func (r *receiving[T]) Left() string {
	if r.prepared.Call.Finished() {
		return ""
	}
	text, sep := "client "+r.prepared.Call.Method(), ": "
	if r.out.isOpen() {
		text, sep = text+sep+"sink", ", "
	}
	if r.half.IsOpen() {
		text += sep + "stream"
	}
	return text
}

// Abandon implements station.Abandonable for the sink.
func (r *receiving[T]) Abandon() (station.Leak, bool) { return r.abandon("sink", r.out.isOpen()) }

// streamLeak is the view of a receiving that stands for its stream.
type streamLeak[T any] receiving[T]

// Abandon implements station.Abandonable.
func (v *streamLeak[T]) Abandon() (station.Leak, bool) {
	r := (*receiving[T])(v)
	isOpen := r.half.IsOpen()
	r.half.Close()
	return r.abandon("stream", isOpen)
}
