package cqrpc

import "strconv"

// Code is a gRPC status code (gRPC, "Status codes and their use in gRPC").
// Values above CodeUnauthenticated have no meaning on the wire.
type Code uint32

// The status codes of gRPC, with the numbers they have on the wire.
const (
	// CodeOK: the call succeeded. It is the zero value.
	CodeOK Code = 0
	// CodeCanceled: the call was cancelled, typically by its caller.
	CodeCanceled Code = 1
	// CodeUnknown: the failure carries no usable code.
	CodeUnknown Code = 2
	// CodeInvalidArgument: the request is wrong whatever the system's state.
	CodeInvalidArgument Code = 3
	// CodeDeadlineExceeded: the deadline passed before the call completed. A
	// change of state may have happened nevertheless.
	CodeDeadlineExceeded Code = 4
	// CodeNotFound: a requested entity does not exist.
	CodeNotFound Code = 5
	// CodeAlreadyExists: the entity to be created exists.
	CodeAlreadyExists Code = 6
	// CodePermissionDenied: the identified caller may not do this.
	CodePermissionDenied Code = 7
	// CodeResourceExhausted: a quota, or a size or memory limit, is used up.
	CodeResourceExhausted Code = 8
	// CodeFailedPrecondition: the system's state forbids the call until the
	// state is changed; repeating the call alone does not help.
	CodeFailedPrecondition Code = 9
	// CodeAborted: a conflict with another caller; retry the whole transaction.
	CodeAborted Code = 10
	// CodeOutOfRange: the request went past the valid range, which may grow.
	CodeOutOfRange Code = 11
	// CodeUnimplemented: the method or its encoding is not supported here.
	CodeUnimplemented Code = 12
	// CodeInternal: an invariant of one of the systems involved is broken.
	CodeInternal Code = 13
	// CodeUnavailable: the service cannot be reached now; a retry may succeed.
	CodeUnavailable Code = 14
	// CodeDataLoss: data is lost or corrupted beyond recovery.
	CodeDataLoss Code = 15
	// CodeUnauthenticated: the caller did not prove who it is.
	CodeUnauthenticated Code = 16
)

// codeNames are spelled as in the gRPC documents, CANCELLED included.
var codeNames = [...]string{
	CodeOK:                 "OK",
	CodeCanceled:           "CANCELLED",
	CodeUnknown:            "UNKNOWN",
	CodeInvalidArgument:    "INVALID_ARGUMENT",
	CodeDeadlineExceeded:   "DEADLINE_EXCEEDED",
	CodeNotFound:           "NOT_FOUND",
	CodeAlreadyExists:      "ALREADY_EXISTS",
	CodePermissionDenied:   "PERMISSION_DENIED",
	CodeResourceExhausted:  "RESOURCE_EXHAUSTED",
	CodeFailedPrecondition: "FAILED_PRECONDITION",
	CodeAborted:            "ABORTED",
	CodeOutOfRange:         "OUT_OF_RANGE",
	CodeUnimplemented:      "UNIMPLEMENTED",
	CodeInternal:           "INTERNAL",
	CodeUnavailable:        "UNAVAILABLE",
	CodeDataLoss:           "DATA_LOSS",
	CodeUnauthenticated:    "UNAUTHENTICATED",
}

// String returns the name in the gRPC documents' spelling, for example
// "NOT_FOUND", or "CODE(17)" for a number without a name.
func (c Code) String() string {
	if c < Code(len(codeNames)) {
		return codeNames[c]
	}
	return "CODE(" + strconv.FormatUint(uint64(c), 10) + ")"
}

// ParseCode reads the value of a grpc-status field, one or more decimal digits
// (gRPC over HTTP/2, Status). It reports false for anything else and for
// numbers that are no known code; gRPC then asks for CodeUnknown, which is also
// the code returned, but it is the caller that knows what to write in the
// message.
func ParseCode(s string) (Code, bool) {
	if s == "" {
		return CodeUnknown, false
	}
	var c Code
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return CodeUnknown, false
		}
		if c = c*10 + Code(d); c >= Code(len(codeNames)) {
			return CodeUnknown, false
		}
	}
	return c, true
}
