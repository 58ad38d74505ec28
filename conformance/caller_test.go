package conformance

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

type (
	outputRequest  = testservice.OutputRequest
	outputResponse = testservice.OutputResponse
	inputRequest   = testservice.InputRequest
	inputResponse  = testservice.InputResponse
)

// caller is a client of TestService. Errors other than io.EOF are *cqrpc.Error,
// whoever made them.
type caller interface {
	EmptyCall(ctx context.Context, req *testpb.Empty, o options) (*testpb.Empty, error)
	UnaryCall(ctx context.Context, req *testpb.SimpleRequest, o options) (*testpb.SimpleResponse, error)
	StreamingOutputCall(ctx context.Context, req *outputRequest, o options) (output, error)
	StreamingInputCall(ctx context.Context, o options) (input, error)
	FullDuplexCall(ctx context.Context, o options) (duplex, error)
	HalfDuplexCall(ctx context.Context, o options) (duplex, error)
	// Invoke calls any method as one with an empty request and response.
	Invoke(ctx context.Context, method string) error
	Close() error
}

// output is a call with many responses.
type output interface {
	Recv() (*outputResponse, error)
	Header() (cqrpc.Metadata, error)
	Trailer() cqrpc.Metadata // after Recv has returned an error
}

// input is a call with many requests and one response.
type input interface {
	Send(req *inputRequest) error
	CloseAndRecv() (*inputResponse, error)
}

// duplex is a call with many of both. One goroutine may send while another
// receives.
type duplex interface {
	output
	Send(req *outputRequest) error
	CloseSend() error
}

// options of one call.
type options struct {
	metadata         cqrpc.Metadata
	header, trailer  *cqrpc.Metadata // calls with one response: where to put the response's
	gzip             bool            // compress requests
	maxRecv, maxSend int             // bytes, 0: the default
	waitForReady     bool
}

// dialing says how to connect.
type dialing struct {
	address     string
	credentials *credentials // nil: plaintext
	window      int          // receive window of streams and, at least, of the connection, fixed; 0: as it comes
}
