package otelcqrpc_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/otelcqrpc"
	"github.com/cqrpc/cqrpc/server"
)

// telescope sees the spans and measurements of one end.
type telescope struct {
	spans  *spanChannel
	tracer *trace.TracerProvider
	reader *metric.ManualReader
	meter  *metric.MeterProvider
}

func newTelescope() *telescope {
	s := &telescope{spans: newSpanChannel(), reader: metric.NewManualReader()}
	s.tracer = trace.NewTracerProvider(trace.WithSpanProcessor(s.spans))
	s.meter = metric.NewMeterProvider(metric.WithReader(s.reader))
	return s
}

// options are the telescope's, with more behind.
func (s *telescope) options(more ...otelcqrpc.Option) []otelcqrpc.Option {
	return append([]otelcqrpc.Option{
		otelcqrpc.WithTracerProvider(s.tracer), otelcqrpc.WithMeterProvider(s.meter),
		otelcqrpc.WithPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})),
	}, more...)
}

// durations are the points of one histogram, nil if nothing was measured.
func (s *telescope) durations(t *testing.T, name string) []metricdata.HistogramDataPoint[float64] {
	t.Helper()
	var all metricdata.ResourceMetrics
	parity.Want(t, "Collect", s.reader.Collect(context.Background(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			if m.Unit != "s" || scope.Scope.Name != "github.com/cqrpc/cqrpc/otelcqrpc" {
				t.Errorf("%s is measured in %q by %q", name, m.Unit, scope.Scope.Name)
			}
			return m.Data.(metricdata.Histogram[float64]).DataPoints
		}
	}
	return nil
}

// spanChannel hands out spans as they end.
type spanChannel struct {
	*tracetest.SpanRecorder
	ended chan trace.ReadOnlySpan
}

func newSpanChannel() *spanChannel {
	return &spanChannel{SpanRecorder: tracetest.NewSpanRecorder(), ended: make(chan trace.ReadOnlySpan, 64)}
}

func (c *spanChannel) OnEnd(s trace.ReadOnlySpan) { c.ended <- s }

// next is the span that ends next, checked for what all have.
func (c *spanChannel) next(t *testing.T, kind oteltrace.SpanKind) trace.ReadOnlySpan {
	t.Helper()
	s := <-c.ended
	if s.SpanKind() != kind || s.EndTime().Before(s.StartTime()) {
		t.Errorf("a span of kind %v, from %v to %v", s.SpanKind(), s.StartTime(), s.EndTime())
	}
	return s
}

// has checks a set of attributes, wanted as key=value, for being just these.
func has(t *testing.T, where string, got []attribute.KeyValue, want ...string) {
	t.Helper()
	missing := make(map[string]bool)
	for _, w := range want {
		missing[w] = true
	}
	for _, a := range got {
		text := string(a.Key) + "=" + a.Value.String()
		if !missing[text] {
			t.Errorf("%s has %s, want %q", where, text, want)
		}
		delete(missing, text)
	}
	for w := range missing {
		t.Errorf("%s lacks %s", where, w)
	}
}

// scene is a client and a server, each with a telescope.
type scene struct {
	parity.Caller
	client, server *telescope
	host           *parity.Host
}

// play connects a caller and a host of the styles given, whose filters have further options.
func play(
	t *testing.T, from parity.CallerKind, to parity.HostKind, s *parity.Service, atServer ...otelcqrpc.Option,
) *scene {
	t.Helper()
	sc := &scene{client: newTelescope(), server: newTelescope()}
	sc.host = to.Start(t, nil, parity.Serving{Service: s, Options: []server.Option{
		server.WithFilter(otelcqrpc.NewFilter(sc.server.options(atServer...)...)),
	}})
	t.Cleanup(sc.host.Stop)
	caller, err := from.Dial(parity.Dialing{Address: sc.host.Address, Options: []client.Option{
		client.WithFilter(otelcqrpc.NewFilter(sc.client.options()...)),
	}})
	parity.Want(t, "Dial", err)
	t.Cleanup(func() { parity.Want(t, "Close", caller.Close()) })
	sc.Caller = caller
	return sc
}

// inSync is play in the sync style.
func inSync(t *testing.T, s *parity.Service, atServer ...otelcqrpc.Option) *scene {
	t.Helper()
	return play(t, parity.Callers[indexOf("sync")], parity.Hosts[indexOf("sync")], s, atServer...)
}

// indexOf is where a style is among callers and hosts.
func indexOf(style string) int {
	for i, k := range parity.Hosts {
		if k.Name == style && parity.Callers[i].Name == style {
			return i
		}
	}
	panic("no style " + style)
}
