package otelcqrpc

import (
	"net"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
)

// otherMethod stands for methods that are not known.
const otherMethod = "_OTHER"

// name is what spans and metrics call the method.
func (s *subject) name() string {
	if s.isOther {
		return otherMethod
	}
	return s.method
}

// inMetric is what measurements have of it.
func (s *subject) inMetric() []attribute.KeyValue {
	list := []attribute.KeyValue{semconv.RPCSystemNameGRPC, semconv.RPCMethod(s.name())}
	if s.authority == "" {
		return list
	}
	return append(list, addressAttributes(s.authority, semconv.ServerAddress, semconv.ServerPort)...)
}

// inSpan is what spans have of it.
func (s *subject) inSpan() []attribute.KeyValue {
	if !s.isOther {
		return s.inMetric()
	}
	return append(s.inMetric(), semconv.RPCMethodOriginal(s.method))
}

// addressAttributes splits an authority, "host:port" or "host", or the address of a
// peer. A socket that is not TCP's has an address without a port.
func addressAttributes(
	text string, address func(string) attribute.KeyValue, port func(int) attribute.KeyValue,
) []attribute.KeyValue {
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		return []attribute.KeyValue{address(strings.Trim(text, "[]"))}
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return []attribute.KeyValue{address(host)}
	}
	return []attribute.KeyValue{address(host), port(n)}
}

// peerAttributes is where the other end is; nothing if the call had no connection.
func peerAttributes(p call.Peer) []attribute.KeyValue {
	if p.Addr == nil {
		return nil
	}
	return addressAttributes(p.Addr.String(), semconv.NetworkPeerAddress, semconv.NetworkPeerPort)
}

// statusAttributes is how a call has ended.
func statusAttributes(code cqrpc.Code, isFailure bool) []attribute.KeyValue {
	name := code.String()
	if !isFailure {
		return []attribute.KeyValue{semconv.RPCResponseStatusCode(name)}
	}
	return []attribute.KeyValue{semconv.RPCResponseStatusCode(name), semconv.ErrorTypeKey.String(name)}
}

// isServerFault reports whether a status tells of a mistake of the server, not of its
// caller (semantic conventions for gRPC, "Server").
func isServerFault(code cqrpc.Code) bool {
	switch code {
	case cqrpc.CodeUnknown, cqrpc.CodeDeadlineExceeded, cqrpc.CodeUnimplemented,
		cqrpc.CodeInternal, cqrpc.CodeUnavailable, cqrpc.CodeDataLoss:
		return true
	default:
		return code > cqrpc.CodeUnauthenticated // no code of gRPC's
	}
}
