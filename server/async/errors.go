package async

import (
	"errors"

	"github.com/cqrpc/cqrpc/call"
)

// Operations in the wrong order. For an operation that is refused no tag comes,
// and the call stays as it was. The other errors of operations are
// *call.BatchError, among them call.ErrTooManyOperations for a second Read or
// Write while one is outstanding; server.ErrHeaderSent; and cq.ErrShutdown.
var (
	// ErrNotBound: operations come after the tag of the request for a call, and
	// only if that was true. It is also the Err of an AsyncNotifyWhenDone whose
	// call never came.
	ErrNotBound = errors.New("async: no call has come")
	// ErrInUse: a Context and a responder serve one call, for which they can be
	// requested once.
	ErrInUse = errors.New("async: context or responder belongs to another call")
	// ErrWritesDone: nothing is written after WriteLast.
	ErrWritesDone = errors.New("async: writing has ended with WriteLast")
	// ErrFinished: Finish, FinishWithError or WriteAndFinish is the last operation.
	ErrFinished = errors.New("async: the call was finished")
	// ErrStatusOK: a call with one response cannot end with OK without it.
	ErrStatusOK = errors.New("async: FinishWithError with status OK")
)

// errNoTarget refuses a Read or a Request into nil, which would panic on the
// poller.
var errNoTarget error = &call.BatchError{
	Op: call.RecvMessageOp, Reason: call.ErrInvalidMessage, Cause: errors.New("nil to read into"),
}
