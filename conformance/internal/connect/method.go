package connect

import (
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/conformance/internal/connectpb"
)

// service is what the suite calls.
const service = "connectrpc.conformance.v1.ConformanceService"

// The methods of the suite's service. A server does not have Unimplemented.
var (
	Unary = call.Method[connectpb.UnaryRequest, connectpb.UnaryResponse]{
		Name: "/" + service + "/Unary", Shape: call.Unary,
	}
	ServerStream = call.Method[connectpb.ServerStreamRequest, connectpb.ServerStreamResponse]{
		Name: "/" + service + "/ServerStream", Shape: call.ServerStream,
	}
	ClientStream = call.Method[connectpb.ClientStreamRequest, connectpb.ClientStreamResponse]{
		Name: "/" + service + "/ClientStream", Shape: call.ClientStream,
	}
	BidiStream = call.Method[connectpb.BidiStreamRequest, connectpb.BidiStreamResponse]{
		Name: "/" + service + "/BidiStream", Shape: call.BidiStream,
	}
	IdempotentUnary = call.Method[connectpb.IdempotentUnaryRequest, connectpb.IdempotentUnaryResponse]{
		Name: "/" + service + "/IdempotentUnary", Shape: call.Unary,
	}
	Unimplemented = call.Method[connectpb.UnimplementedRequest, connectpb.UnimplementedResponse]{
		Name: "/" + service + "/Unimplemented", Shape: call.Unary,
	}
)
