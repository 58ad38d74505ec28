package conformance

import (
	"context"
	"net"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc/grpccompat"
	"github.com/cqrpc/cqrpc/internal/parity"
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

// OpenTelemetry's instrumentation of grpc-go makes its spans: the server's are those of
// the client's calls, and handlers are in them.
func TestOpenTelemetry(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	opts := []otelgrpc.Option{
		otelgrpc.WithTracerProvider(provider), otelgrpc.WithPropagators(propagation.TraceContext{}),
	}
	var inHandler oteltrace.SpanContext
	srv, lis := server.New(), loopback(t)
	to := grpccompat.NewRegistrar(srv, grpccompat.StatsHandler(otelgrpc.NewServerHandler(opts...)))
	testpb.RegisterTestServiceServer(to, &tracedService{seen: &inHandler})
	_, stop := parity.Run(t, srv, lis, func() {})
	defer stop()
	ch, err := parity.NewChannel(parity.Dialing{Address: lis.Addr().String()})
	parity.Want(t, "NewChannel", err)
	defer ch.Close()
	conn := grpccompat.NewClientConn(ch, grpccompat.WithStatsHandler(otelgrpc.NewClientHandler(opts...)))
	_, err = testpb.NewTestServiceClient(conn).EmptyCall(parity.Within(t), new(testpb.Empty))
	if status.Code(err) != codes.NotFound {
		t.Fatalf("EmptyCall: %v", err)
	}

	ended := spans.Ended()
	if len(ended) != 2 {
		t.Fatalf("%d spans", len(ended))
	}
	kinds := make(map[oteltrace.SpanKind]trace.ReadOnlySpan)
	for _, s := range ended {
		if s.Name() != "grpc.testing.TestService/EmptyCall" {
			t.Errorf("a span is named %q", s.Name())
		}
		kinds[s.SpanKind()] = s
	}
	client, host := kinds[oteltrace.SpanKindClient], kinds[oteltrace.SpanKindServer]
	if client == nil || host == nil || host.Parent().SpanID() != client.SpanContext().SpanID() ||
		inHandler.SpanID() != host.SpanContext().SpanID() {
		t.Errorf("the spans are %v; the handler is in %v", kinds, inHandler)
	}
}

// loopback listens for one test.
func loopback(t *testing.T) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	parity.Want(t, "Listen", err)
	return lis
}
