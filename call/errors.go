package call

import (
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/frame"
)

// Reason is why a batch was rejected: a misuse of the API, never a failure of
// the call. Test for one with errors.Is.
type Reason string

// The reasons; see the table of C-core's grpc_call_error.
const (
	// ErrCall: the batch makes no sense as a whole: there is no completer, or a
	// server's batch holds both SendStatus and RecvMessage.
	ErrCall Reason = "batch is not possible on this call"
	// ErrNotOnServer: the operation exists on client calls only.
	ErrNotOnServer Reason = "operation is not possible on a server call"
	// ErrNotOnClient: the operation exists on server calls only.
	ErrNotOnClient Reason = "operation is not possible on a client call"
	// ErrTooManyOperations: the kind occurs twice in the batch, is outstanding,
	// or was started before and may occur once per call.
	ErrTooManyOperations Reason = "too many operations of this kind"
	// ErrInvalidFlags: a flag the operation does not know.
	ErrInvalidFlags Reason = "invalid flags"
	// ErrInvalidMetadata: a key or value that HTTP/2 cannot carry; Cause
	// says which.
	ErrInvalidMetadata Reason = "invalid metadata"
	// ErrInvalidMessage: no message, or a value the codec cannot marshal.
	ErrInvalidMessage Reason = "invalid message"
)

// ErrEnded is the Err of an event whose operation failed although the call did
// not: its direction had already ended, as for a message after SendClose.
const ErrEnded Reason = "this direction of the call has ended"

func (r Reason) Error() string { return string(r) }

// Misuse is for styles: it makes a call error of a batch that was rejected, or of
// another mistake in the program: INTERNAL, with err as its cause.
func Misuse(err error) error { return cqrpc.Errorf(cqrpc.CodeInternal, "%w", causeOf(err)) }

// BatchError is what StartBatch returns for misuse. The call and the
// ownership of the batch's buffers are as they were before.
type BatchError struct {
	Op     OpKind // the first operation at fault, or the first of the batch
	Reason Reason // one of the constants
	Cause  error  // what is wrong in detail, may be nil
}

func (e *BatchError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("call: %v: %v: %v", e.Op, e.Reason, e.Cause)
	}
	return fmt.Sprintf("call: %v: %v", e.Op, e.Reason)
}

// Unwrap returns the reason, and the cause if there is one.
func (e *BatchError) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Cause}
}

// RequestError is for servers: a request that cannot become a server call, with the answer
// the client should get.
type RequestError struct {
	// HTTPStatus is the :status to answer with; 0 means 200, that is, the
	// client speaks gRPC and Status is all it needs.
	HTTPStatus int
	// Status goes out as grpc-status and grpc-message; it has no details.
	Status cqrpc.Status
	// Accept is the grpc-accept-encoding to answer with, if not empty.
	Accept string
}

func (e *RequestError) Error() string {
	if e.HTTPStatus != 0 {
		return fmt.Sprintf("request refused with HTTP status %d: %v", e.HTTPStatus, e.Status)
	}
	return fmt.Sprintf("request refused: %v", e.Status)
}

// Headers returns the answer as one header block that ends the stream
// (gRPC over HTTP/2, Trailers-Only). The caller owns the list.
func (e *RequestError) Headers() *frame.HeaderList {
	l := frame.NewHeaderList()
	l.Add(":status", httpStatusText(e.HTTPStatus))
	l.Add("content-type", contentType)
	if e.Accept != "" {
		l.Add("grpc-accept-encoding", e.Accept)
	}
	_ = addStatus(l, &e.Status) // has no details
	return l
}
