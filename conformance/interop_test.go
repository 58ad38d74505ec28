package conformance

import (
	"context"
	"io"
	"slices"
	"testing"

	cases "github.com/cqrpc/cqrpc/conformance/internal/interop"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/internal/fatallog"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// reference is the interop cases as grpc-go wrote them for itself (grpc/grpc,
// doc/interop-test-descriptions.md), but for those that need a cloud. Package
// internal/interop has the same for the other direction.
var reference = []referenceCase{
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
	{"orca_per_rpc", testService(func(ctx context.Context, stub testpb.TestServiceClient, _ ...grpc.CallOption) {
		interop.DoORCAPerRPCTest(ctx, stub)
	})},
	{"rpc_soak", func(ctx context.Context, conn *grpc.ClientConn) {
		interop.DoSoakTest(ctx, referenceSoak(func() (*grpc.ClientConn, func()) { return conn, func() {} }))
	}},
}

// ourReference is what grpc-go's client has cases for and its server does not
// pass: it has no identifier, and reports its load every 30 s at most. The
// client wants reports every second, so that orca_oob takes two or three.
var ourReference = []referenceCase{
	{"pick_first_unary", testService(func(ctx context.Context, stub testpb.TestServiceClient, _ ...grpc.CallOption) {
		interop.DoPickFirstUnary(ctx, stub)
	})},
	{"orca_oob", testService(func(ctx context.Context, stub testpb.TestServiceClient, _ ...grpc.CallOption) {
		interop.DoORCAOOBTest(ctx, stub)
	})},
}

// referenceSoak is short. Nothing is said about how long a call may take.
func referenceSoak(channel func() (*grpc.ClientConn, func())) interop.SoakTestConfig {
	return interop.SoakTestConfig{
		RequestSize: 271828, ResponseSize: 314159, Iterations: 4, NumWorkers: 2,
		PerIterationMaxAcceptableLatency: parity.Patience, OverallTimeout: parity.Patience,
		ChannelForTest: channel,
	}
}

type referenceCase struct {
	name string
	run  func(ctx context.Context, conn *grpc.ClientConn)
}

type interopCase = func(ctx context.Context, stub testpb.TestServiceClient, opts ...grpc.CallOption)

func testService(f interopCase) func(context.Context, *grpc.ClientConn) {
	return func(ctx context.Context, conn *grpc.ClientConn) { f(ctx, testpb.NewTestServiceClient(conn)) }
}

func TestReferenceCases(t *testing.T) {
	for _, p := range pairings(t) {
		if p.Caller.Name != "grpc-go" || p.Host.Name == compatServer.Name { // whose own tests have them
			continue
		}
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			h := p.Serve(t, testServing())
			list := reference
			if p.Host.Name != grpcgoServer.Name && p.Credentials == nil {
				list = slices.Concat(reference, ourReference)
			}
			for _, test := range list {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel()
					conn := dialReference(t, h, p.Credentials)
					defer fatallog.Report(t)
					test.run(parity.Within(t), conn)
				})
			}
			t.Run("channel_soak", func(t *testing.T) {
				defer fatallog.Report(t)
				interop.DoSoakTest(parity.Within(t), referenceSoak(func() (*grpc.ClientConn, func()) {
					conn := dialReference(t, h, p.Credentials)
					return conn, func() { _ = conn.Close() }
				}))
			})
		})
	}
}

func dialReference(t *testing.T, h *parity.Host, c *parity.Credentials) *grpc.ClientConn {
	t.Helper()
	conn, err := newGRPCGo(parity.Dialing{Address: h.Address, Credentials: c}, grpc.WithDefaultServiceConfig(
		`{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`), // package interop's, for ORCA
		grpc.WithStreamInterceptor(openOnceCancelled))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// openOnceCancelled is the interceptor of package grpccompat's tests, which say why.
func openOnceCancelled(
	ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string,
	streamer grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	s, err := streamer(ctx, desc, conn, method, opts...)
	return openCancelled{s}, err
}

type openCancelled struct{ grpc.ClientStream }

func (s openCancelled) CloseSend() error {
	if s.Context().Err() != nil {
		return nil
	}
	return s.ClientStream.CloseSend()
}

// testServing is a host with TestService in it.
func testServing() parity.Serving {
	return parity.Serving{Routes: testservice.Routes(), Options: []server.Option{
		server.WithCompressors(testservice.Compressors()), server.WithCompressor("gzip"),
	}}
}

// testSoak is short, too.
var testSoak = cases.Soak{
	Iterations: 4, Threads: 2, RequestSize: 271828, ResponseSize: 314159,
	MaxLatency: parity.Patience, Timeout: parity.Patience, Log: io.Discard,
}

// TestInterop runs the cases in every style of client against every style of
// server, over TLS its own, and against grpc-go's.
func TestInterop(t *testing.T) {
	for _, c := range []*parity.Credentials{nil, parity.TestCredentials(t)} {
		for _, from := range parity.Callers {
			for _, to := range hosts {
				if c != nil && to.Name != from.Name && to.Name != grpcgoServer.Name {
					continue // TLS is below all styles
				}
				p := &parity.Pairing{Caller: from, Host: to, Credentials: c}
				t.Run(p.Name(), func(t *testing.T) {
					t.Parallel()
					interopPairing(t, p)
				})
			}
		}
	}
}

func interopPairing(t *testing.T, p *parity.Pairing) {
	h := p.Serve(t, testServing())
	c, err := cases.New(cases.Config{
		Dial: func() (parity.Caller, error) {
			return p.Caller.Dial(parity.Dialing{Address: h.Address, Credentials: p.Credentials, Options: cases.Options()})
		},
		Concurrent: 20, Soak: testSoak,
	})
	parity.Want(t, "New", err)
	defer func() { parity.Want(t, "Close", c.Close()) }()
	for _, test := range cases.Cases {
		if p.Host.Name == grpcgoServer.Name && (test.Gzip || test.ID) {
			continue
		}
		t.Run(test.Name, func(t *testing.T) { parity.Want(t, test.Name, c.Run(t.Context(), test.Name)) })
	}
}
