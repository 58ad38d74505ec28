package connect

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/connectpb"
)

// errorFrom is a failure the suite asks for. Its codes have gRPC's numbers.
func errorFrom(e *connectpb.Error) error {
	return &cqrpc.Error{Status: cqrpc.Status{
		Code: cqrpc.Code(e.GetCode()), Message: e.GetMessage(), Details: e.GetDetails(),
	}}
}

// errorOf tells the suite about a failure, nil if there is none.
func errorOf(err error) *connectpb.Error {
	if err == nil {
		return nil
	}
	st := cqrpc.StatusOf(err)
	return &connectpb.Error{Code: connectpb.Code(st.Code), Message: &st.Message, Details: st.Details}
}
