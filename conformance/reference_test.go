package conformance

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/cqrpc/cqrpc"
)

// TestCodesAgree compares our status codes with the reference's: the numbers
// are the wire format (gRPC status codes), so they may never drift.
func TestCodesAgree(t *testing.T) {
	for code, want := range map[cqrpc.Code]codes.Code{
		cqrpc.CodeOK:                 codes.OK,
		cqrpc.CodeCanceled:           codes.Canceled,
		cqrpc.CodeUnknown:            codes.Unknown,
		cqrpc.CodeInvalidArgument:    codes.InvalidArgument,
		cqrpc.CodeDeadlineExceeded:   codes.DeadlineExceeded,
		cqrpc.CodeNotFound:           codes.NotFound,
		cqrpc.CodeAlreadyExists:      codes.AlreadyExists,
		cqrpc.CodePermissionDenied:   codes.PermissionDenied,
		cqrpc.CodeResourceExhausted:  codes.ResourceExhausted,
		cqrpc.CodeFailedPrecondition: codes.FailedPrecondition,
		cqrpc.CodeAborted:            codes.Aborted,
		cqrpc.CodeOutOfRange:         codes.OutOfRange,
		cqrpc.CodeUnimplemented:      codes.Unimplemented,
		cqrpc.CodeInternal:           codes.Internal,
		cqrpc.CodeUnavailable:        codes.Unavailable,
		cqrpc.CodeDataLoss:           codes.DataLoss,
		cqrpc.CodeUnauthenticated:    codes.Unauthenticated,
	} {
		if uint32(code) != uint32(want) {
			t.Errorf("%v is %d, the reference (grpc-go %s) has %d", code, uint32(code), grpc.Version, uint32(want))
		}
	}
}
