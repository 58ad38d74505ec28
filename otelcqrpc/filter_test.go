package otelcqrpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/otelcqrpc"
	"github.com/cqrpc/cqrpc/server"
)

const unary = "cqrpc.parity.Parity/Unary"

// In every style a handler runs in the server's span, which is the child of the client's,
// which is the child of the caller's; and what is in the caller's baggage arrives.
func TestSpansAreOfOneTrace(t *testing.T) {
	for i, to := range parity.Hosts {
		from := parity.Callers[i]
		t.Run(to.Name, func(t *testing.T) {
			type inHandler struct {
				span  oteltrace.SpanContext
				user  string
				child oteltrace.SpanContext
			}
			seen := make(chan inHandler, 1)
			s := parity.Standard()
			var sc *scene
			s.Unary = func(c parity.Call, req []byte) ([]byte, error) {
				_, child := sc.server.tracer.Tracer("test").Start(c.Context(), "work")
				child.End()
				seen <- inHandler{
					span:  oteltrace.SpanContextFromContext(c.Context()),
					user:  baggage.FromContext(c.Context()).Member("user").Value(),
					child: child.SpanContext(),
				}
				return req, nil
			}
			sc = play(t, from, to, s)
			member, err := baggage.NewMember("user", "gopher")
			parity.Want(t, "NewMember", err)
			bag, err := baggage.New(member)
			parity.Want(t, "New", err)
			ctx, span := sc.client.tracer.Tracer("test").Start(parity.Within(t), "caller")
			_, err = sc.Unary(baggage.ContextWithBaggage(ctx, bag), []byte("hello"), parity.Options{})
			parity.Want(t, "Unary", err)

			handler := <-seen
			theirs := sc.client.spans.next(t, oteltrace.SpanKindClient)
			sc.server.spans.next(t, oteltrace.SpanKindInternal) // the handler's own
			ours := sc.server.spans.next(t, oteltrace.SpanKindServer)
			if theirs.Parent().SpanID() != span.SpanContext().SpanID() {
				t.Error("the client's span is not the caller's child")
			}
			if ours.Parent().SpanID() != theirs.SpanContext().SpanID() || !ours.Parent().IsRemote() {
				t.Error("the server's span is not the client's child")
			}
			if handler.span.SpanID() != ours.SpanContext().SpanID() || handler.child.TraceID() != span.SpanContext().TraceID() {
				t.Error("the handler is not in the server's span")
			}
			if handler.user != "gopher" {
				t.Errorf("the baggage has the user %q", handler.user)
			}
		})
	}
}

// What spans and metrics tell of a call, by its status.
func TestStatus(t *testing.T) {
	tests := []struct {
		code                   cqrpc.Code
		name                   string
		clientFails, hostFails bool
	}{
		{cqrpc.CodeOK, "OK", false, false},
		{cqrpc.CodeNotFound, "NOT_FOUND", true, false},
		{cqrpc.CodeCanceled, "CANCELLED", true, false},
		{cqrpc.CodeUnknown, "UNKNOWN", true, true},
		{cqrpc.CodeDeadlineExceeded, "DEADLINE_EXCEEDED", true, true},
		{cqrpc.CodeUnimplemented, "UNIMPLEMENTED", true, true},
		{cqrpc.CodeInternal, "INTERNAL", true, true},
		{cqrpc.CodeUnavailable, "UNAVAILABLE", true, true},
		{cqrpc.CodeDataLoss, "DATA_LOSS", true, true},
		{cqrpc.CodeUnauthenticated, "UNAUTHENTICATED", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := parity.Standard()
			s.Unary = func(_ parity.Call, req []byte) ([]byte, error) {
				if tt.code == cqrpc.CodeOK {
					return req, nil
				}
				return nil, cqrpc.Errorf(tt.code, "the reason")
			}
			sc := inSync(t, s)
			for range 2 {
				_, err := sc.Unary(parity.Within(t), nil, parity.Options{})
				if cqrpc.CodeOf(err) != tt.code {
					t.Fatal(err)
				}
			}
			host, port, err := net.SplitHostPort(sc.host.Address)
			parity.Want(t, "SplitHostPort", err)
			common := []string{"rpc.system.name=grpc", "rpc.method=" + unary, "rpc.response.status_code=" + tt.name}
			there := slices.Concat(common, []string{"server.address=" + host, "server.port=" + port})
			sc.client.check(t, outcome{
				kind: oteltrace.SpanKindClient, metric: "rpc.client.call.duration", code: tt.name, isFailure: tt.clientFails,
				inMetric: there,
				inSpan:   slices.Concat(there, []string{"network.peer.address=" + host, "network.peer.port=" + port}),
			})
			sc.server.check(t, outcome{
				kind: oteltrace.SpanKindServer, metric: "rpc.server.call.duration", code: tt.name, isFailure: tt.hostFails,
				inMetric: common,
				inSpan:   slices.Concat(common, []string{"network.peer.address=" + host}), // the port is any
			})
		})
	}
}

// outcome is what one end must tell of two calls that end alike.
type outcome struct {
	kind             oteltrace.SpanKind
	metric           string
	code             string
	isFailure        bool
	inMetric, inSpan []string
}

func (s *telescope) check(t *testing.T, want outcome) {
	t.Helper()
	status := codes.Unset
	if want.isFailure {
		status = codes.Error
		want.inMetric = slices.Concat(want.inMetric, []string{"error.type=" + want.code})
		want.inSpan = slices.Concat(want.inSpan, []string{"error.type=" + want.code})
	}
	for range 2 {
		span := s.spans.next(t, want.kind)
		if span.Name() != unary || span.Status().Code != status ||
			want.isFailure && span.Status().Description != "the reason" {
			t.Errorf("span %q with status %v", span.Name(), span.Status())
		}
		has(t, "the span", slices.DeleteFunc(slices.Clone(span.Attributes()), func(a attribute.KeyValue) bool {
			return want.kind == oteltrace.SpanKindServer && a.Key == "network.peer.port"
		}), want.inSpan...)
	}
	points := s.durations(t, want.metric)
	if len(points) != 1 || points[0].Count != 2 || points[0].Sum <= 0 || len(points[0].Bounds) != 14 {
		t.Fatalf("%s: %+v", want.metric, points)
	}
	has(t, want.metric, points[0].Attributes.ToSlice(), want.inMetric...)
}

// Streams, and calls that are given up, end their spans, too.
func TestEveryCallEndsItsSpan(t *testing.T) {
	sc := inSync(t, parity.Echo())
	stream, err := sc.BidiStream(parity.Within(t), parity.Options{})
	parity.Want(t, "BidiStream", err)
	parity.Want(t, "Send", stream.Send([]byte("hello")))
	_, err = stream.Recv()
	parity.Want(t, "Recv", err)
	parity.Want(t, "CloseSend", stream.CloseSend())
	if _, err = stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	for _, end := range []*telescope{sc.client, sc.server} {
		if s := <-end.spans.ended; s.Name() != "cqrpc.parity.Parity/BidiStream" || s.Status().Code != codes.Unset {
			t.Errorf("%q with status %v", s.Name(), s.Status())
		}
	}

	ctx, cancel := context.WithCancel(parity.Within(t))
	_, err = sc.BidiStream(ctx, parity.Options{})
	parity.Want(t, "BidiStream", err)
	cancel()
	if s := sc.client.spans.next(t, oteltrace.SpanKindClient); s.Status().Code != codes.Error {
		t.Errorf("the cancelled call's span has status %v", s.Status())
	}
}

// A server that anybody may call begins traces of its own.
func TestPublicEndpoint(t *testing.T) {
	sc := inSync(t, parity.Echo(), otelcqrpc.WithPublicEndpoint())
	_, err := sc.Unary(parity.Within(t), nil, parity.Options{})
	parity.Want(t, "Unary", err)
	theirs, ours := sc.client.spans.next(t, oteltrace.SpanKindClient), sc.server.spans.next(t, oteltrace.SpanKindServer)
	if ours.Parent().IsValid() || ours.SpanContext().TraceID() == theirs.SpanContext().TraceID() {
		t.Error("the span is in the client's trace")
	}
	if l := ours.Links(); len(l) != 1 || l[0].SpanContext.SpanID() != theirs.SpanContext().SpanID() {
		t.Errorf("the links are %v", l)
	}
}

// Where nobody has sent a trace there is none to link to.
func TestPublicEndpointWithoutTrace(t *testing.T) {
	sc := inSync(t, parity.Echo(), otelcqrpc.WithPublicEndpoint())
	bare, err := parity.Callers[indexOf("sync")].Dial(parity.Dialing{Address: sc.host.Address})
	parity.Want(t, "Dial", err)
	defer bare.Close()
	for _, md := range []cqrpc.Metadata{nil, cqrpc.Pairs("traceparent", "00-0-0-01")} {
		_, err = bare.Unary(parity.Within(t), nil, parity.Options{Metadata: md})
		parity.Want(t, "Unary", err)
		span := sc.server.spans.next(t, oteltrace.SpanKindServer)
		if span.Parent().IsValid() || !span.SpanContext().TraceID().IsValid() {
			t.Errorf("after %v: the span %v has the parent %v", md, span.SpanContext(), span.Parent())
		}
		if l := span.Links(); len(l) != 0 {
			t.Errorf("after %v: the links are %v", md, l)
		}
	}
}

// Names that a peer invents are none of ours.
func TestKnownMethods(t *testing.T) {
	known := otelcqrpc.WithKnownMethods(func(method string) bool { return method != "/"+unary })
	sc := inSync(t, parity.Echo(), known)
	_, err := sc.Unary(parity.Within(t), nil, parity.Options{})
	parity.Want(t, "Unary", err)
	span := sc.server.spans.next(t, oteltrace.SpanKindServer)
	original := ""
	for _, a := range span.Attributes() {
		if a.Key == "rpc.method_original" {
			original = a.Value.AsString()
		}
	}
	if span.Name() != "_OTHER" || original != unary {
		t.Errorf("the span is named %q, its method was %q", span.Name(), original)
	}
	points := sc.server.durations(t, "rpc.server.call.duration")
	if len(points) != 1 {
		t.Fatalf("%+v", points)
	}
	has(t, "the duration", points[0].Attributes.ToSlice(),
		"rpc.system.name=grpc", "rpc.method=_OTHER", "rpc.response.status_code=OK")
}

// Metadata that an application uses for several calls stays as it is.
func TestMetadataOfTheCallerIsNotChanged(t *testing.T) {
	sc := inSync(t, parity.Echo())
	shared := cqrpc.Pairs("traceparent", "mine", "other", "too")
	_, err := sc.Unary(parity.Within(t), nil, parity.Options{Metadata: shared})
	parity.Want(t, "Unary", err)
	if shared.Get("traceparent") != "mine" {
		t.Errorf("the caller's metadata is %q", shared.Get("traceparent"))
	}
	if theirs, ours := <-sc.client.spans.ended, <-sc.server.spans.ended; ours.Parent().SpanID() != theirs.SpanContext().SpanID() {
		t.Error("the server was told of another span")
	}
}

// With nothing of the application's installed, calls go on and servers are told nothing.
func TestNothingInstalled(t *testing.T) {
	sent := make(chan cqrpc.Metadata, 1)
	s := parity.Echo()
	s.Unary = func(c parity.Call, req []byte) ([]byte, error) {
		sent <- c.Metadata()
		if oteltrace.SpanContextFromContext(c.Context()).IsValid() {
			return nil, errors.New("the handler is in a span")
		}
		return req, nil
	}
	filter := otelcqrpc.NewFilter()
	host := parity.Hosts[0].Start(t, nil, parity.Serving{
		Service: s, Options: []server.Option{server.WithFilter(filter)},
	})
	defer host.Stop()
	caller, err := parity.Callers[0].Dial(parity.Dialing{
		Address: host.Address, Options: []client.Option{client.WithFilter(filter)},
	})
	parity.Want(t, "Dial", err)
	defer caller.Close()
	_, err = caller.Unary(parity.Within(t), nil, parity.Options{})
	parity.Want(t, "Unary", err)
	if md := <-sent; md.Get("traceparent") != "" {
		t.Errorf("the server got %v", md)
	}
}

// one passes a call through a filter of s, and ends it.
func (s *telescope) one(t *testing.T, start *call.Start, code cqrpc.Code, more ...otelcqrpc.Option) trace.ReadOnlySpan {
	t.Helper()
	start.Method = "/" + unary
	_, err := otelcqrpc.NewFilter(s.options(more...)...)(t.Context(), start)
	parity.Want(t, "the filter", err)
	start.OnEnd(call.End{Status: cqrpc.Status{Code: code}})
	return <-s.spans.ended
}

// What is in the metadata is not overwritten there: other calls may have the same, such as that
// of client.WithDefaultCallOptions.
func TestMetadataIsNotChangedInPlace(t *testing.T) {
	shared := cqrpc.Pairs("traceparent", "mine")
	start := &call.Start{Metadata: shared}
	newTelescope().one(t, start, cqrpc.CodeOK)
	if shared.Get("traceparent") != "mine" || start.Metadata.Get("traceparent") == "mine" {
		t.Errorf("shared is %v, the call's %v", shared, start.Metadata)
	}
}

// A code that gRPC does not have is no client's mistake.
func TestUnknownCode(t *testing.T) {
	span := newTelescope().one(t, &call.Start{IsServer: true}, 99)
	if span.Status().Code != codes.Error {
		t.Errorf("the server's span has status %v", span.Status())
	}
}

// An authority whose port is no number has none.
func TestPortThatIsNone(t *testing.T) {
	span := newTelescope().one(t, &call.Start{Authority: "host:http"}, cqrpc.CodeOK)
	has(t, "the span", span.Attributes(), "rpc.system.name=grpc", "rpc.method="+unary, "rpc.response.status_code=OK",
		"server.address=host")
}

// A duration leads to a span that took as long.
func TestExemplars(t *testing.T) {
	for name, start := range map[string]*call.Start{
		"rpc.client.call.duration": {}, "rpc.server.call.duration": {IsServer: true},
	} {
		s := newTelescope()
		id := s.one(t, start, cqrpc.CodeOK).SpanContext().SpanID()
		points := s.durations(t, name)
		if len(points) != 1 || len(points[0].Exemplars) != 1 || string(points[0].Exemplars[0].SpanID) != string(id[:]) {
			t.Errorf("%s: %+v, want an exemplar of span %v", name, points, id)
		}
	}
}

// shouting is a propagator that writes its key in capitals, as some do.
type shouting struct {
	propagation.TextMapPropagator
	got []string // by Get, by Values, and the keys
}

func (p *shouting) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	p.got = slices.Concat([]string{c.Get("X-ID")}, c.(propagation.ValuesGetter).Values("X-ID"), c.Keys())
	return ctx
}

// Propagators read metadata by keys of any case, and what is text.
func TestCarrier(t *testing.T) {
	p := new(shouting)
	start := &call.Start{IsServer: true, Metadata: cqrpc.Pairs("x-id", "1", "x-id", "2", "y-bin", "\x00")}
	newTelescope().one(t, start, cqrpc.CodeOK, otelcqrpc.WithPropagator(p))
	if want := []string{"1", "1", "2", "x-id", "x-id"}; !slices.Equal(p.got, want) {
		t.Errorf("got %q, want %q", p.got, want)
	}
}
