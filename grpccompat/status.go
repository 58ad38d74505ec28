package grpccompat

import (
	"errors"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc"
)

// callError is a failed call as callers of grpc-go know it: package status reads it, and
// its text is the same. It wraps the *cqrpc.Error, so that errors.Is finds context errors
// and causes, and errors.As the origin.
type callError struct {
	status *status.Status
	err    *cqrpc.Error
}

func (e *callError) Error() string              { return e.status.String() }
func (e *callError) GRPCStatus() *status.Status { return e.status }
func (e *callError) Unwrap() error              { return e.err }

// Is reports whether target is grpc-go's error of the same status, as that says of itself.
func (e *callError) Is(target error) bool { return errors.Is(e.status.Err(), target) }

// toGRPC makes a callError of one of our errors. An error without a status, such as
// io.EOF, stays as it is.
func toGRPC(err error) error {
	e, ok := errors.AsType[*cqrpc.Error](err)
	if !ok {
		return err
	}
	return &callError{status: statusToGRPC(cqrpc.StatusOf(e)), err: e}
}

func statusToGRPC(st cqrpc.Status) *status.Status {
	if len(st.Details) == 0 {
		return status.New(codes.Code(st.Code), st.Message)
	}
	return status.FromProto(&spb.Status{Code: int32(st.Code), Message: st.Message, Details: st.Details})
}

// FromStatus is the error of a handler as one of cqrpc, nil for nil: code, message and details are
// those of grpc-go's package status, if err is one of its errors or has a method GRPCStatus. As with
// grpc-go's server a status is found in what err wraps, too, then with err's text. All other errors
// are returned as they are, and [cqrpc.StatusOf] has grpc-go's rules for them: errors of contexts
// have their codes, others UNKNOWN. Services of a [Registrar] need it not; server.WithErrorMapper
// takes it for handlers of the sync style that were written for grpc-go.
func FromStatus(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*cqrpc.Error); ok { //nolint:errorlint // itself: what it wraps is its cause
		return e
	}
	st, ok := status.FromError(err)
	if !ok {
		return err // cqrpc.StatusOf has the same rules
	}
	p := st.Proto()
	return &cqrpc.Error{Status: cqrpc.Status{
		Code: cqrpc.Code(p.GetCode()), Message: p.GetMessage(), Details: p.GetDetails(),
	}, Cause: err}
}
