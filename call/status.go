package call

import (
	"errors"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/frame"
)

// codeOfHTTP is the status of a response that has no grpc-status (gRPC, HTTP to
// gRPC Status Code Mapping).
func codeOfHTTP(status string) cqrpc.Code {
	switch status {
	case "400":
		return cqrpc.CodeInternal
	case "401":
		return cqrpc.CodeUnauthenticated
	case "403":
		return cqrpc.CodePermissionDenied
	case "404":
		return cqrpc.CodeUnimplemented
	case "429", "502", "503", "504":
		return cqrpc.CodeUnavailable
	}
	return cqrpc.CodeUnknown
}

// codeOfReset is the status of a stream that was reset (gRPC over HTTP/2,
// Errors).
func codeOfReset(code frame.ErrCode) cqrpc.Code {
	switch code {
	case frame.RefusedStream:
		return cqrpc.CodeUnavailable
	case frame.Cancel:
		return cqrpc.CodeCanceled
	case frame.EnhanceYourCalm:
		return cqrpc.CodeResourceExhausted
	case frame.InadequateSecurity:
		return cqrpc.CodePermissionDenied
	}
	return cqrpc.CodeInternal
}

// resetCode is what RST_STREAM says about a status decided on this side.
func resetCode(code cqrpc.Code) frame.ErrCode {
	switch code {
	case cqrpc.CodeOK:
		return frame.NoError
	case cqrpc.CodeCanceled, cqrpc.CodeDeadlineExceeded:
		return frame.Cancel
	case cqrpc.CodeResourceExhausted:
		return frame.EnhanceYourCalm
	case cqrpc.CodePermissionDenied:
		return frame.InadequateSecurity
	case cqrpc.CodeUnavailable:
		return frame.RefusedStream
	}
	return frame.InternalError
}

// verdictOfClose is the verdict on a call whose stream ended without a status.
func (c *Call) verdictOfClose(e *frame.CloseError) *verdict {
	v := &verdict{how: byStream, origin: cqrpc.OriginTransport}
	if e == nil { // END_STREAM both ways: the status should have come before
		v.status = cqrpc.Status{Code: cqrpc.CodeUnknown, Message: noStatus}
		return v
	}
	v.cause = e
	v.status = cqrpc.Status{Code: cqrpc.CodeUnavailable, Message: e.Error()}
	if e.Kind == frame.ResetByPeer || e.Kind == frame.Violation {
		v.status.Code = codeOfReset(e.Code)
	}
	if e.Kind == frame.ResetByPeer && e.Code == frame.Cancel && c.hasExpired() {
		// The server's timer was faster than ours.
		v.status.Code = cqrpc.CodeDeadlineExceeded
	}
	return v
}

// verdictOfBlock is the verdict on a call with a malformed header block.
func verdictOfBlock(err error) *verdict {
	st := cqrpc.Status{Code: cqrpc.CodeInternal, Message: err.Error()}
	if e, ok := errors.AsType[*frame.StreamError](err); ok && e.Code == frame.EnhanceYourCalm {
		st.Code = cqrpc.CodeResourceExhausted // over SETTINGS_MAX_HEADER_LIST_SIZE
	}
	return &verdict{how: byViolation, origin: cqrpc.OriginLocal, status: st, cause: err}
}

// noStatus is what C-core says of a clean end without grpc-status.
const noStatus = "No status received"
