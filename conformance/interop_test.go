package conformance

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// reference is the interop cases as grpc-go wrote them for itself (grpc/grpc,
// doc/interop-test-descriptions.md), but for those that need a cloud. rpc_soak
// is apart. The scenarios have the same cases for the other direction.
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
	eachLink(t, func(t *testing.T, c *credentials) {
		for _, kind := range hosts {
			t.Run(kind.name, func(t *testing.T) {
				t.Parallel()
				h := kind.start(t, c, serving{})
				for _, test := range reference {
					t.Run(test.name, func(t *testing.T) {
						conn := dialReference(t, h, c)
						defer report(t)
						test.run(within(t), conn)
					})
				}
			})
		}
	})
}

func dialReference(t *testing.T, h *host, c *credentials) *grpc.ClientConn {
	t.Helper()
	conn, err := newGRPCGo(dialing{address: h.address, credentials: c})
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

// TestSoak is rpc_soak and channel_soak: large calls one after the other, on one
// connection or each on a new one. Long soaks have no place in a test run.
func TestSoak(t *testing.T) {
	for _, kind := range hosts {
		for _, fresh := range []bool{false, true} {
			name := kind.name + "/one_channel"
			if fresh {
				name = kind.name + "/a_channel_each"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				soak(t, kind.start(t, nil, serving{}), fresh)
			})
		}
	}
}

func soak(t *testing.T, h *host, fresh bool) {
	results := &interop.SoakTestConfig{
		RequestSize: 271828, ResponseSize: 314159,
		PerIterationMaxAcceptableLatency: patience, OverallTimeout: patience,
		ServerAddr: h.address, NumWorkers: 2, Iterations: 10, MaxFailures: 0,
	}
	shared := dialReference(t, h, nil)
	results.ChannelForTest = func() (*grpc.ClientConn, func()) {
		if !fresh {
			return shared, func() {}
		}
		conn, err := newGRPCGo(dialing{address: h.address})
		if err != nil {
			panic(finding(err.Error()))
		}
		return conn, func() { _ = conn.Close() }
	}
	results.MinTimeBetweenRPCs = time.Microsecond
	defer report(t)
	interop.DoSoakTest(within(t), *results)
}
