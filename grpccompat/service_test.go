package grpccompat_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc/internal/parity"
)

// What the generated code of the tests calls its messages and streams.
type (
	request  = testpb.StreamingOutputCallRequest
	response = testpb.StreamingOutputCallResponse
	duplex   = testpb.TestService_FullDuplexCallServer
)

// service is an implementation as an application writes it; what a test does not set
// is unimplemented.
type service struct {
	testpb.UnimplementedTestServiceServer

	empty  func(ctx context.Context) error
	unary  func(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error)
	down   func(req *request, s testpb.TestService_StreamingOutputCallServer) error
	up     func(s testpb.TestService_StreamingInputCallServer) error
	duplex func(s duplex) error
}

func (s *service) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	if err := s.empty(ctx); err != nil {
		return nil, err
	}
	return new(testpb.Empty), nil
}

func (s *service) UnaryCall(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return s.unary(ctx, req)
}

func (s *service) StreamingOutputCall(req *request, out testpb.TestService_StreamingOutputCallServer) error {
	return s.down(req, out)
}

func (s *service) StreamingInputCall(in testpb.TestService_StreamingInputCallServer) error {
	return s.up(in)
}
func (s *service) FullDuplexCall(both duplex) error { return s.duplex(both) }

// register is what an application does with it.
func (s *service) register(r grpc.ServiceRegistrar) { testpb.RegisterTestServiceServer(r, s) }

// echo answers each request with as many zeros as its first parameter says.
func echo(s duplex) error {
	for {
		req, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(answer(int(req.GetResponseParameters()[0].GetSize()))); err != nil {
			return err
		}
	}
}

func answer(n int) *response { return &response{Payload: &testpb.Payload{Body: make([]byte, n)}} }

func ask(n int) *request {
	return &request{ResponseParameters: []*testpb.ResponseParameters{{Size: int32(n)}}}
}

// everywhere calls f with a client of s for every pairing of the two implementations. With
// the reference at both ends it is the test that is tested.
func everywhere(t *testing.T, s *service, f func(t *testing.T, stub testpb.TestServiceClient)) {
	t.Helper()
	for _, from := range []maker{ours, reference} {
		for _, to := range []maker{ours, reference} {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				f(t, testpb.NewTestServiceClient(from.dial(t, nil, to.serve(t, nil, s.register))))
			})
		}
	}
}

// withOurs calls f with a client of s, both of ours.
func withOurs(t *testing.T, s *service) testpb.TestServiceClient {
	t.Helper()
	return testpb.NewTestServiceClient(dial(t, nil, serve(t, nil, s.register)))
}

func wantCode(t *testing.T, what string, err error, want codes.Code) {
	t.Helper()
	if st, ok := status.FromError(err); !ok || st.Code() != want {
		t.Fatalf("%s: %v; want %v", what, err, want)
	}
}

func wantEOF(t *testing.T, what string, err error) {
	t.Helper()
	parity.WantEnd(t, what, err)
}
