package testservice

import (
	"github.com/cqrpc/cqrpc/call"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// Messages of the service, by what they are to it.
type (
	// OutputRequest is a request of the streaming calls that ask for output.
	OutputRequest = testpb.StreamingOutputCallRequest
	// OutputResponse is one response of these.
	OutputResponse = testpb.StreamingOutputCallResponse
	// InputRequest is one request of StreamingInputCall.
	InputRequest = testpb.StreamingInputCallRequest
	// InputResponse is the response of StreamingInputCall.
	InputResponse = testpb.StreamingInputCallResponse
)

const prefix = "/grpc.testing.TestService/"

// The methods of the service. Read only.
var (
	EmptyCall = call.Method[testpb.Empty, testpb.Empty]{
		Name: prefix + "EmptyCall", Shape: call.Unary,
	}
	UnaryCall = call.Method[testpb.SimpleRequest, testpb.SimpleResponse]{
		Name: prefix + "UnaryCall", Shape: call.Unary,
	}
	CacheableUnaryCall = call.Method[testpb.SimpleRequest, testpb.SimpleResponse]{
		Name: prefix + "CacheableUnaryCall", Shape: call.Unary,
	}
	StreamingOutputCall = call.Method[OutputRequest, OutputResponse]{
		Name: prefix + "StreamingOutputCall", Shape: call.ServerStream,
	}
	StreamingInputCall = call.Method[InputRequest, InputResponse]{
		Name: prefix + "StreamingInputCall", Shape: call.ClientStream,
	}
	FullDuplexCall = call.Method[OutputRequest, OutputResponse]{
		Name: prefix + "FullDuplexCall", Shape: call.BidiStream,
	}
	HalfDuplexCall = call.Method[OutputRequest, OutputResponse]{
		Name: prefix + "HalfDuplexCall", Shape: call.BidiStream,
	}

	// UnimplementedCall and UnimplementedService are methods that no server has.
	UnimplementedCall = call.Method[testpb.Empty, testpb.Empty]{
		Name: prefix + "UnimplementedCall", Shape: call.Unary,
	}
	UnimplementedService = call.Method[testpb.Empty, testpb.Empty]{
		Name: "/grpc.testing.UnimplementedService/UnimplementedCall", Shape: call.Unary,
	}
)
