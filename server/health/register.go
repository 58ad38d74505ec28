package health

import (
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	pb "github.com/cqrpc/cqrpc/internal/gen/healthpb"
	"github.com/cqrpc/cqrpc/internal/lasting"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// ServiceName is the full name of the service.
const ServiceName = "grpc.health.v1.Health"

// The methods by the names that clients call them.
var (
	checkMethod = call.Method[pb.HealthCheckRequest, pb.HealthCheckResponse]{Name: "/" + ServiceName + "/Check"}
	listMethod  = call.Method[pb.HealthListRequest, pb.HealthListResponse]{Name: "/" + ServiceName + "/List"}
	watchMethod = call.Method[pb.HealthCheckRequest, pb.HealthCheckResponse]{
		Name: "/" + ServiceName + "/Watch", Shape: call.ServerStream,
	}
)

// maxListed is how many services List lists, as in grpc-go: with more it fails.
const maxListed = 100

// Register makes s tell the statuses of h. The errors are those of
// [server.Server.Register].
func Register(s *server.Server, h *Server) error {
	watches := new(lasting.Calls)
	err := s.Register(
		reactor.Unary(checkMethod, h.check),
		reactor.Unary(listMethod, h.list),
		reactor.ServerStream(watchMethod, func(
			_ *reactor.Context, req *pb.HealthCheckRequest,
		) reactor.WriteReactor[pb.HealthCheckResponse] {
			return h.watch(watches, req)
		}),
	)
	if err == nil {
		s.RegisterOnShutdown(watches.End)
	}
	return err
}

// check serves a Check.
func (s *Server) check(
	ctx *reactor.Context, req *pb.HealthCheckRequest, res *pb.HealthCheckResponse,
) reactor.UnaryReactor {
	r := ctx.DefaultReactor()
	status := s.status(req.GetService())
	if status == ServiceUnknown {
		r.Finish(cqrpc.Status{Code: cqrpc.CodeNotFound, Message: "unknown service"})
		return r
	}
	res.Status = pb.HealthCheckResponse_ServingStatus(status)
	r.Finish(cqrpc.Status{})
	return r
}

// list serves a List.
func (s *Server) list(ctx *reactor.Context, _ *pb.HealthListRequest, res *pb.HealthListResponse) reactor.UnaryReactor {
	r := ctx.DefaultReactor()
	all, ok := s.statuses(maxListed)
	if !ok {
		r.Finish(cqrpc.Status{
			Code: cqrpc.CodeResourceExhausted, Message: fmt.Sprintf("there are more than %d services", maxListed),
		})
		return r
	}
	res.Statuses = all
	r.Finish(cqrpc.Status{})
	return r
}

func response(status Status) *pb.HealthCheckResponse {
	return &pb.HealthCheckResponse{Status: pb.HealthCheckResponse_ServingStatus(status)}
}
