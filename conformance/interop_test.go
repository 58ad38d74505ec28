package conformance

import (
	"context"
	"testing"

	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/internal/parity"
	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// reference is the interop cases as grpc-go wrote them for itself (grpc/grpc,
// doc/interop-test-descriptions.md), but for those that need a cloud. The
// scenarios have the same for the other direction, and the soaks, which here
// would say more than a test run wants to read.
var reference = []struct {
	name string
	run  func(ctx context.Context, conn *grpc.ClientConn)
}{
	{"empty_unary", testService(interop.DoEmptyUnaryCall)},
	{"large_unary", testService(interop.DoLargeUnaryCall)},
	{"client_streaming", testService(interop.DoClientStreaming)},
	{"server_streaming", testService(interop.DoServerStreaming)},
	{"ping_pong", testService(interop.DoPingPong)},
	{"empty_stream", testService(interop.DoEmptyStream)},
	{"timeout_on_sleeping_server", testService(interop.DoTimeoutOnSleepingServer)},
	{"cancel_after_begin", testService(interop.DoCancelAfterBegin)},
	{"cancel_after_first_response", testService(interop.DoCancelAfterFirstResponse)},
	{"custom_metadata", testService(interop.DoCustomMetadata)},
	{"status_code_and_message", testService(interop.DoStatusCodeAndMessage)},
	{"special_status_message", testService(interop.DoSpecialStatusMessage)},
	{"unimplemented_method", interop.DoUnimplementedMethod},
	{"unimplemented_service", func(ctx context.Context, conn *grpc.ClientConn) {
		interop.DoUnimplementedService(ctx, testpb.NewUnimplementedServiceClient(conn))
	}},
}

type interopCase = func(ctx context.Context, stub testpb.TestServiceClient, opts ...grpc.CallOption)

func testService(f interopCase) func(context.Context, *grpc.ClientConn) {
	return func(ctx context.Context, conn *grpc.ClientConn) { f(ctx, testpb.NewTestServiceClient(conn)) }
}

func TestReferenceCases(t *testing.T) {
	for _, p := range pairings(t) {
		if p.Caller.Name != "grpc-go" {
			continue
		}
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			h := p.Serve(t, parity.Serving{Routes: testservice.Routes()})
			for _, test := range reference {
				t.Run(test.name, func(t *testing.T) {
					conn := dialReference(t, h, p.Credentials)
					defer report(t)
					test.run(parity.Within(t), conn)
				})
			}
		})
	}
}

func dialReference(t *testing.T, h *parity.Host, c *parity.Credentials) *grpc.ClientConn {
	t.Helper()
	conn, err := newGRPCGo(parity.Dialing{Address: h.Address, Credentials: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// report fails t with what a case has found.
func report(t *testing.T) {
	switch v := recover().(type) {
	case nil:
	case finding:
		t.Error(string(v))
	default:
		panic(v)
	}
}
