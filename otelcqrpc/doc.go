// Package otelcqrpc reports calls to OpenTelemetry: a span and a duration for each, by
// the semantic conventions for gRPC (opentelemetry.io/docs/specs/semconv/rpc/grpc). It is
// one filter, for channels and servers and all styles:
//
//	client.NewChannel(target, client.WithFilter(otelcqrpc.NewFilter()))
//	server.New(server.WithFilter(otelcqrpc.NewFilter()))
//
// Without exporters it costs little: unless the application has set up a tracer or a meter,
// no span and no measurement is made.
//
// # Traces
//
// A span lasts from the start of a call to its end, when its status is there, on a server
// whether it was sent or not. It is named after the method, "pkg.Service/Method". The
// client sends its span's identity by the propagator, for example in traceparent (W3C Trace
// Context), and the server's span is its child. The contexts of handlers, in every style,
// have the server's span, so the calls that they make are children in turn. On a client the
// call, and filters that come after this one, have the client's span in their contexts.
//
// A client's span fails with any status but OK, a server's with those that are the server's
// fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
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
// What filters do not see: calls that the server answers by itself, such as those of
// methods that it does not serve, and the attempts of a call. Spans have no events for
// messages, and no attributes for metadata.
//
// Concurrency: a filter may be used by any number of channels and servers at the same time.
// The package starts no goroutine; spans and durations are reported where a filter is called.
package otelcqrpc
