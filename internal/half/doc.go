// Package half is the two halves of a streaming call as futures: what the
// styles client/future and server/future have in common.
//
//	Sender     Send, Flush, Close ──► {SEND_MESSAGE}, …, {SEND_CLOSE} or {SEND_STATUS}
//	Receiver   Next               ──► {RECV_MESSAGE}, …, one ahead of the application
//	pump       SendFrom: Send, Send, …, Flush, each when the one before is resolved
//	walk       ForEach: Next, Next, …, each when the function is done with the one before
//
// A half is the tag of its own operations, by views of the one struct: the
// poller that harvests an event runs it, and it resolves the future of the
// operation. An operation costs its future and nothing else.
//
// Concurrency: all methods may be called by any goroutine; Run of the views is
// called by the poller of the call's queue, one at a time. Sender.mu and
// Receiver.mu are never held over a batch, a future or a codec.
package half

import (
	"errors"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
)

// Done is the future of an operation that has no value.
type Done = future.Future[struct{}]

// done is the one that is resolved.
var done = future.Ready(struct{}{})

// Closed is the future of what there is nothing left to do for.
func Closed() *Done { return done }

// Failed is the future of an operation that was not started.
func Failed(err error) *Done { return future.Failed[struct{}](err) }

// failure is why an operation failed, nil if it did not. That this direction
// of the call has ended although the call did not fail is ErrFinished.
func failure(ev cq.Event) error {
	switch {
	case ev.OK:
		return nil
	case ev.Err == nil || errors.Is(ev.Err, call.ErrEnded):
		return future.ErrFinished
	}
	return ev.Err
}

// errShutdown is the error of what a poller that has ended was to do.
var errShutdown error = &cqrpc.Error{
	Status: cqrpc.Status{Code: cqrpc.CodeCanceled, Message: "environment is closed"}, Cause: cq.ErrShutdown,
}
