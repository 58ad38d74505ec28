package otelcqrpc

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Option is one of the With functions.
type Option interface{ apply(*config) }

type option func(*config)

func (o option) apply(c *config) { o(c) }

type config struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
	isPublic   bool
	isKnown    func(method string) bool // nil: all are
}

func newConfig(opts []Option) config {
	c := config{
		tracers: otel.GetTracerProvider(), meters: otel.GetMeterProvider(), propagator: otel.GetTextMapPropagator(),
	}
	for _, o := range opts {
		o.apply(&c)
	}
	return c
}

// WithTracerProvider sets what makes spans. Default: what otel.GetTracerProvider returns,
// which follows otel.SetTracerProvider.
func WithTracerProvider(p trace.TracerProvider) Option {
	return option(func(c *config) { c.tracers = p })
}

// WithMeterProvider sets what records the durations. Default: what otel.GetMeterProvider
// returns, which follows otel.SetMeterProvider.
func WithMeterProvider(p metric.MeterProvider) Option {
	return option(func(c *config) { c.meters = p })
}

// WithPropagator says how the span of a call is told to the server. Default: what
// otel.GetTextMapPropagator returns, which tells nothing until
// otel.SetTextMapPropagator; most want propagation.TraceContext.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return option(func(c *config) { c.propagator = p })
}

// WithPublicEndpoint is for a server that anybody may call: its spans begin traces of
// their own, linked to the span of the client instead of being its children.
func WithPublicEndpoint() Option {
	return option(func(c *config) { c.isPublic = true })
}

// WithKnownMethods is for servers and clients of any method, such as proxies, where the
// peer invents names: a method, "/pkg.Service/Method", that isKnown does not report is
// "_OTHER" in spans and metrics, and has its name in rpc.method_original of the span.
// isKnown is called concurrently. Default: all are known, for a server's filters see only
// calls of methods that it serves.
func WithKnownMethods(isKnown func(method string) bool) Option {
	return option(func(c *config) { c.isKnown = isKnown })
}
