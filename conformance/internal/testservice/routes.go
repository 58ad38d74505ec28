package testservice

import (
	"crypto/rand"

	"github.com/cqrpc/cqrpc/internal/parity"
)

// service is what one server knows of itself.
type service struct {
	id   string // answers fill_server_id
	load *load
}

// Routes is the service of one server as the interop test descriptions define
// it, for servers of every style. The compression cases need Compressors.
func Routes() []parity.Route {
	s := &service{id: rand.Text(), load: newLoad()}
	return []parity.Route{
		parity.Unary(EmptyCall, emptyCall),
		parity.Unary(UnaryCall, s.unaryCall),
		parity.Unary(CacheableUnaryCall, s.unaryCall),
		parity.ServerStream(StreamingOutputCall, streamingOutputCall),
		parity.ClientStream(StreamingInputCall, streamingInputCall),
		parity.BidiStream(FullDuplexCall, s.fullDuplexCall),
		parity.BidiStream(HalfDuplexCall, halfDuplexCall),
		parity.ServerStream(LoadReports, s.load.stream),
	}
}
