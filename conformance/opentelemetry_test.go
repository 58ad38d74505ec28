package conformance

import (
	"context"
	"net"
	"runtime"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/grpccompat"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/otelcqrpc"
	"github.com/cqrpc/cqrpc/server"
)

// tracedService tells in which span its handler runs.
type tracedService struct {
	testpb.UnimplementedTestServiceServer
	seen *oteltrace.SpanContext
}

func (s *tracedService) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	*s.seen = oteltrace.SpanContextFromContext(ctx)
	return nil, status.Error(codes.NotFound, "no")
}

// tracing is a way to trace one end of a call.
type tracing struct {
	name  string
	serve func(*testing.T, testpb.TestServiceServer, *trace.TracerProvider) (address string)
	dial  func(*testing.T, string, *trace.TracerProvider) grpc.ClientConnInterface
}

// tracings are the filter of otelcqrpc, and OpenTelemetry's instrumentation of grpc-go, on
// grpccompat and on grpc-go.
var tracings = []tracing{
	{"otelcqrpc", func(t *testing.T, impl testpb.TestServiceServer, p *trace.TracerProvider) string {
		return serveTraced(t, impl, server.New(server.WithFilter(ourTracing(p))))
	}, func(t *testing.T, address string, p *trace.TracerProvider) grpc.ClientConnInterface {
		return dialTraced(t, address, []client.Option{client.WithFilter(ourTracing(p))})
	}},
	{"grpccompat", func(t *testing.T, impl testpb.TestServiceServer, p *trace.TracerProvider) string {
		return serveTraced(t, impl, server.New(), grpccompat.StatsHandler(otelgrpc.NewServerHandler(theirTracing(p)...)))
	}, func(t *testing.T, address string, p *trace.TracerProvider) grpc.ClientConnInterface {
		return dialTraced(t, address, nil, grpccompat.WithStatsHandler(otelgrpc.NewClientHandler(theirTracing(p)...)))
	}},
	{"grpc-go", func(t *testing.T, impl testpb.TestServiceServer, p *trace.TracerProvider) string {
		s, lis := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler(theirTracing(p)...))), loopback(t)
		testpb.RegisterTestServiceServer(s, impl)
		go func() { _ = s.Serve(lis) }() // says that it was stopped
		t.Cleanup(s.Stop)
		return lis.Addr().String()
	}, func(t *testing.T, address string, p *trace.TracerProvider) grpc.ClientConnInterface {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithStatsHandler(otelgrpc.NewClientHandler(theirTracing(p)...)))
		parity.Want(t, "NewClient", err)
		t.Cleanup(func() { parity.Want(t, "Close", conn.Close()) })
		return conn
	}},
}

func ourTracing(p *trace.TracerProvider) call.Filter {
	return otelcqrpc.NewFilter(otelcqrpc.WithTracerProvider(p), otelcqrpc.WithPropagator(propagation.TraceContext{}))
}

func theirTracing(p *trace.TracerProvider) []otelgrpc.Option {
	return []otelgrpc.Option{otelgrpc.WithTracerProvider(p), otelgrpc.WithPropagators(propagation.TraceContext{})}
}

func serveTraced(
	t *testing.T, impl testpb.TestServiceServer, srv *server.Server, opts ...grpccompat.ServerOption,
) (address string) {
	t.Helper()
	lis := loopback(t)
	testpb.RegisterTestServiceServer(grpccompat.NewRegistrar(srv, opts...), impl)
	_, stop := parity.Run(t, srv, lis, func() {})
	t.Cleanup(stop)
	return lis.Addr().String()
}

func dialTraced(
	t *testing.T, address string, opts []client.Option, compat ...grpccompat.ClientOption,
) grpc.ClientConnInterface {
	t.Helper()
	ch, err := parity.NewChannel(parity.Dialing{Address: address, Options: opts})
	parity.Want(t, "NewChannel", err)
	t.Cleanup(func() { parity.Want(t, "Close", ch.Close()) })
	return grpccompat.NewClientConn(ch, compat...)
}

// Whatever traces the two ends, their spans are alike: the server's is the child of the
// client's, and handlers are in it.
func TestOpenTelemetry(t *testing.T) {
	for _, from := range tracings {
		for _, to := range tracings {
			t.Run(from.name+" to "+to.name, func(t *testing.T) { checkTraced(t, from, to) })
		}
	}
}

func checkTraced(t *testing.T, from, to tracing) {
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	var inHandler oteltrace.SpanContext
	address := to.serve(t, &tracedService{seen: &inHandler}, provider)
	conn := from.dial(t, address, provider)
	_, err := testpb.NewTestServiceClient(conn).EmptyCall(parity.Within(t), new(testpb.Empty))
	if status.Code(err) != codes.NotFound {
		t.Fatalf("EmptyCall: %v", err)
	}

	var caller, host trace.ReadOnlySpan
	for caller == nil || host == nil { // a server's may end after its client knows the status
		for _, s := range spans.Ended() {
			checkSpan(t, s)
			switch s.SpanKind() {
			case oteltrace.SpanKindClient:
				caller = s
			case oteltrace.SpanKindServer:
				host = s
			}
		}
		runtime.Gosched()
	}
	if host.Parent().SpanID() != caller.SpanContext().SpanID() || inHandler.SpanID() != host.SpanContext().SpanID() {
		t.Errorf("the spans are %v and %v; the handler is in %v", caller, host, inHandler)
	}
	if caller.Status().Code != otelcodes.Error || host.Status().Code != otelcodes.Unset {
		t.Errorf("the spans end with %v and %v", caller.Status(), host.Status())
	}
}

// checkSpan checks what the conventions say of all spans.
func checkSpan(t *testing.T, s trace.ReadOnlySpan) {
	t.Helper()
	if s.Name() != "grpc.testing.TestService/EmptyCall" {
		t.Errorf("a span is named %q", s.Name())
	}
	has := make(map[string]string)
	for _, a := range s.Attributes() {
		has[string(a.Key)] = a.Value.String()
	}
	for key, want := range map[string]string{
		"rpc.system.name": "grpc", "rpc.method": s.Name(), "rpc.response.status_code": "NOT_FOUND",
	} {
		if has[key] != want {
			t.Errorf("a span has %s %q, want %q", key, has[key], want)
		}
	}
}

// loopback listens for one test.
func loopback(t *testing.T) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	parity.Want(t, "Listen", err)
	return lis
}
