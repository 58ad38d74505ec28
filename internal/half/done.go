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
