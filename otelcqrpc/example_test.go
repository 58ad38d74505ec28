package otelcqrpc_test

import (
	"context"
	"fmt"
	"net"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/otelcqrpc"
	"github.com/cqrpc/cqrpc/server"
)

type greeter struct{}

func (greeter) SayHello(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
	return &pb.HelloReply{Message: "Hello " + req.GetName()}, nil
}

// Both ends of a call, in one trace. Applications give the provider an exporter, and
// most set it, and the propagator, with otel.SetTracerProvider and
// otel.SetTextMapPropagator.
func ExampleNewFilter() {
	spans := tracetest.NewInMemoryExporter()
	filter := otelcqrpc.NewFilter(
		otelcqrpc.WithTracerProvider(trace.NewTracerProvider(trace.WithSyncer(spans))),
		otelcqrpc.WithPropagator(propagation.TraceContext{}))

	s := server.New(server.WithFilter(filter))
	must(pb.RegisterGreeterSyncServer(s, greeter{}))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()

	ch, err := client.NewChannel(lis.Addr().String(), client.WithInsecure(), client.WithFilter(filter))
	must(err)
	reply, err := pb.NewGreeterSyncClient(ch).SayHello(context.Background(), &pb.HelloRequest{Name: "gopher"})
	must(err)
	fmt.Println(reply.GetMessage())

	must(ch.Close())
	must(s.Shutdown(context.Background()))
	<-served
	for _, span := range spans.GetSpans() {
		fmt.Println(span.Name)
	}
	// Output:
	// Hello gopher
	// helloworld.Greeter/SayHello
	// helloworld.Greeter/SayHello
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
