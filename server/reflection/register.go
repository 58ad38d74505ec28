package reflection

import (
	"github.com/cqrpc/cqrpc/call"
	pb "github.com/cqrpc/cqrpc/internal/gen/reflectionpb"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// The full names of the service: it is one, by two names.
const (
	ServiceName      = "grpc.reflection.v1.ServerReflection"
	AlphaServiceName = "grpc.reflection.v1alpha.ServerReflection"
)

// method is that of the service by one of its names.
func method(service string) call.Method[pb.ServerReflectionRequest, pb.ServerReflectionResponse] {
	return call.Method[pb.ServerReflectionRequest, pb.ServerReflectionResponse]{
		Name: "/" + service + "/ServerReflectionInfo", Shape: call.BidiStream,
	}
}

// Register makes s describe its services, those that are registered later as well. The
// errors are those of [server.Server.Register].
func Register(s *server.Server, opts ...Option) error {
	c := newCatalogue(s.Services, opts)
	err := s.Register(
		reactor.BidiStream(method(ServiceName), c.open),
		reactor.BidiStream(method(AlphaServiceName), c.open),
	)
	if err == nil {
		s.RegisterOnShutdown(c.sessions.End)
	}
	return err
}
