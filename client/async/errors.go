package async

import (
	"errors"

	"github.com/cqrpc/cqrpc/call"
)

// Operations in the wrong order. For an operation that is refused no tag comes,
// and the call stays as it was. The other errors of operations are
// *call.BatchError, among them call.ErrTooManyOperations for a second Read or
// Write while one is outstanding, and cq.ErrShutdown.
var (
	// ErrNotStarted: operations come after StartCall.
	ErrNotStarted = errors.New("async: the call was not started")
	// ErrStarted: a call is started once.
	ErrStarted = errors.New("async: the call was started already")
	// ErrWritesDone: nothing is written after WritesDone or WriteLast.
	ErrWritesDone = errors.New("async: writing has ended with WritesDone or WriteLast")
	// ErrFinished: Finish is the last operation.
	ErrFinished = errors.New("async: Finish was called")
)

// errNoTarget refuses a Read into nil, which would panic on the poller.
var errNoTarget error = &call.BatchError{
	Op: call.RecvMessageOp, Reason: call.ErrInvalidMessage, Cause: errors.New("nil to read into"),
}
