package otelcqrpc

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/rpcconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
)

// scope names this package as the source of spans and metrics.
const scope = "github.com/cqrpc/cqrpc/otelcqrpc"

// NewFilter returns a filter that reports calls. One may serve any number of channels and
// servers. As the first of the options, the outermost, it sees what other filters refuse;
// what they add to the metadata does not matter to it. Errors of OpenTelemetry go to
// otel.Handle.
func NewFilter(opts ...Option) call.Filter {
	r := newReporter(newConfig(opts))
	return func(ctx context.Context, start *call.Start) (context.Context, error) {
		if start.IsServer {
			return r.serve(ctx, start), nil
		}
		return r.call(ctx, start), nil
	}
}

// reporter is what the calls of a filter have in common.
type reporter struct {
	config
	tracer trace.Tracer
	client side
	server side
}

// side is what those of clients, or of servers, have in common.
type side struct {
	duration  metric.Float64Histogram
	isFailure func(cqrpc.Code) bool
	kind      trace.SpanKind
	starts    memo[subject, []trace.SpanStartOption]
	ends      memo[ending, outcome]
}

// subject is what calls are made of.
type subject struct {
	method    string // "pkg.Service/Method"
	isOther   bool   // the method is not known
	authority string // of a client's
}

// ending is what tells measurements apart.
type ending struct {
	name, authority string
	code            cqrpc.Code
}

// outcome is how calls have ended, in a span and in a measurement.
type outcome struct {
	inSpan   []attribute.KeyValue
	inMetric []metric.RecordOption
}

func newReporter(c config) *reporter {
	meter := c.meters.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
	// The boundaries that the conventions ask for, in seconds.
	buckets := metric.WithExplicitBucketBoundaries(
		0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
	client, err := rpcconv.NewClientCallDuration(meter, buckets)
	if err != nil {
		otel.Handle(err)
	}
	server, err := rpcconv.NewServerCallDuration(meter, buckets)
	if err != nil {
		otel.Handle(err)
	}
	return &reporter{
		config: c,
		tracer: c.tracers.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		client: side{
			duration: client.Inst(), kind: trace.SpanKindClient,
			isFailure: func(code cqrpc.Code) bool { return code != cqrpc.CodeOK },
		},
		server: side{duration: server.Inst(), kind: trace.SpanKindServer, isFailure: isServerFault},
	}
}

// call reports a client's call, and tells the server of its span.
func (r *reporter) call(ctx context.Context, start *call.Start) context.Context {
	p := report{side: &r.client, subject: r.subject(start), begin: time.Now()}
	p.authority = start.Authority
	ctx, p.span = r.tracer.Start(ctx, p.name(), p.options()...)
	start.Metadata = start.Metadata.Clone() // the caller may share it among calls
	r.propagator.Inject(ctx, carrier{&start.Metadata})
	start.OnEnd = func(end call.End) {
		if p.span.IsRecording() {
			p.span.SetAttributes(peerAttributes(end.Peer)...)
		}
		p.end(ctx, &end)
	}
	return ctx
}

// serve reports a server's call.
func (r *reporter) serve(ctx context.Context, start *call.Start) context.Context {
	p := report{side: &r.server, subject: r.subject(start), begin: time.Now()}
	ctx = r.propagator.Extract(ctx, carrier{&start.Metadata})
	how := p.options()
	if from := trace.SpanContextFromContext(ctx); r.isPublic {
		how = slices.Concat(how, []trace.SpanStartOption{
			trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: from}), // an invalid one is none
		})
	}
	ctx, p.span = r.tracer.Start(ctx, p.name(), how...)
	if p.span.IsRecording() {
		p.span.SetAttributes(peerAttributes(start.Peer)...)
	}
	start.OnEnd = func(end call.End) { p.end(ctx, &end) }
	return ctx
}

func (r *reporter) subject(start *call.Start) subject {
	return subject{
		method:  strings.TrimPrefix(start.Method, "/"),
		isOther: r.isKnown != nil && !r.isKnown(start.Method),
	}
}

// report is one call.
type report struct {
	*side
	subject
	begin time.Time
	span  trace.Span
}

// options are what the call's span starts with.
func (p *report) options() []trace.SpanStartOption {
	return p.starts.get(p.subject, func() []trace.SpanStartOption {
		return []trace.SpanStartOption{trace.WithSpanKind(p.kind), trace.WithAttributes(p.inSpan()...)}
	})
}

// end tells how the call has ended, the meter before the tracer.
func (p *report) end(ctx context.Context, end *call.End) {
	code := end.Status.Code
	isFailure := p.isFailure(code)
	out := p.ends.get(ending{p.name(), p.authority, code}, func() outcome {
		how := statusAttributes(code, isFailure)
		set := attribute.NewSet(append(p.inMetric(), how...)...)
		return outcome{inSpan: how, inMetric: []metric.RecordOption{metric.WithAttributeSet(set)}}
	})
	p.duration.Record(ctx, time.Since(p.begin).Seconds(), out.inMetric...)
	if p.span.IsRecording() {
		p.span.SetAttributes(out.inSpan...)
		if isFailure {
			p.span.SetStatus(codes.Error, end.Status.Message)
		}
	}
	p.span.End()
}
