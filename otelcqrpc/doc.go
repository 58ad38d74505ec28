// Package otelcqrpc reports calls to OpenTelemetry: a span and a duration for each, by
// the semantic conventions for gRPC (opentelemetry.io/docs/specs/semconv/rpc/grpc). It is
// one filter, for channels and servers and all styles:
//
//	client.NewChannel(target, client.WithFilter(otelcqrpc.NewFilter()))
//	server.New(server.WithFilter(otelcqrpc.NewFilter()))
//
// What has no exporter costs little: without a tracer or a meter of the application's no
// span and no measurement is made.
//
// # Traces
//
// A span lasts from the start of a call to its end: that of the client's status, or of the
// server's, sent or not. It is named after the method, "pkg.Service/Method". The client
// sends which span that is as the propagator does, in traceparent by W3C Trace Context;
// the server's span is its child, and the context of handlers, in every style, has it, so
// that calls that they make are children in turn. A client's filters that come after this
// one, and its call, have the client's span in theirs.
//
// A client's span has failed with any status but OK, a server's with those that are its
// own fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
//
// # Metrics
//
// rpc.client.call.duration and rpc.server.call.duration are histograms of the seconds that
// the spans last. Their attributes are rpc.system.name, rpc.method and
// rpc.response.status_code, error.type if the call has failed as above, and of a client
// server.address and server.port, which are the call's authority. Spans have them, too, and
// network.peer.address and network.peer.port.
//
// # What it does not see
//
// What filters do not: calls that the server answers by itself, such as those of methods
// that it does not serve, and the attempts of a call. Messages are no events, and
// metadata is no attribute.
//
// Concurrency: a filter may be used by any number of channels and servers at the same time.
// The package starts no goroutine; spans and durations are reported where a filter is called.
package otelcqrpc
