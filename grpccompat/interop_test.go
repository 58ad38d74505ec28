package grpccompat_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc/internal/fatallog"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// cases are the interop cases as grpc-go wrote them for itself (grpc/grpc,
// doc/interop-test-descriptions.md), with its generated client, but for those that need a
// cloud and those that need a channel of grpc-go's, which are below.
var cases = []struct {
	name string
	run  func(context.Context, testpb.TestServiceClient, ...grpc.CallOption)
}{
	{"empty_unary", interop.DoEmptyUnaryCall},
	{"large_unary", interop.DoLargeUnaryCall},
	{"client_streaming", interop.DoClientStreaming},
	{"server_streaming", interop.DoServerStreaming},
	{"ping_pong", interop.DoPingPong},
	{"empty_stream", interop.DoEmptyStream},
	{"timeout_on_sleeping_server", interop.DoTimeoutOnSleepingServer},
	{"cancel_after_begin", interop.DoCancelAfterBegin},
	{"cancel_after_first_response", interop.DoCancelAfterFirstResponse},
	{"custom_metadata", interop.DoCustomMetadata},
	{"status_code_and_message", interop.DoStatusCodeAndMessage},
	{"special_status_message", interop.DoSpecialStatusMessage},
}

func TestInterop(t *testing.T) {
	for name, c := range map[string]*parity.Credentials{"plaintext": nil, "TLS": parity.TestCredentials(t)} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, from, to maker) {
				address := to.serve(t, c, func(s grpc.ServiceRegistrar) {
					testpb.RegisterTestServiceServer(s, interop.NewTestServer())
				})
				conn := from.dial(t, c, address)
				for _, test := range cases {
					t.Run(test.name, func(t *testing.T) {
						defer fatallog.Report(t)
						test.run(parity.Within(t), testpb.NewTestServiceClient(conn))
					})
				}
				t.Run("unimplemented_service", func(t *testing.T) {
					defer fatallog.Report(t)
					interop.DoUnimplementedService(parity.Within(t), testpb.NewUnimplementedServiceClient(conn))
				})
				t.Run("unimplemented_method", func(t *testing.T) {
					err := conn.Invoke(parity.Within(t), "/grpc.testing.TestService/UnimplementedCall", &testpb.Empty{}, &testpb.Empty{})
					if status.Code(err) != codes.Unimplemented {
						t.Errorf("error %v; want UNIMPLEMENTED", err)
					}
				})
			})
		})
	}
}
