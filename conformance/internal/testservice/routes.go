package testservice

import "github.com/cqrpc/cqrpc/internal/parity"

// Routes is the service as the interop test descriptions define it, for servers
// of every style.
func Routes() []parity.Route {
	return []parity.Route{
		parity.Unary(EmptyCall, emptyCall),
		parity.Unary(UnaryCall, unaryCall),
		parity.ServerStream(StreamingOutputCall, streamingOutputCall),
		parity.ClientStream(StreamingInputCall, streamingInputCall),
		parity.BidiStream(FullDuplexCall, fullDuplexCall),
		parity.BidiStream(HalfDuplexCall, halfDuplexCall),
	}
}
