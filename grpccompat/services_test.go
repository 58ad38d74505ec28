package grpccompat_test

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/cqrpc/cqrpc/internal/parity"
)

// grpc-go's own health service runs on a server of ours, and its client over ours.
func TestHealthOfGRPCGo(t *testing.T) {
	status := health.NewServer()
	address := serve(t, nil, func(s grpc.ServiceRegistrar) { healthpb.RegisterHealthServer(s, status) })
	for _, from := range []maker{ours, reference} {
		t.Run(from.name, func(t *testing.T) {
			stub := healthpb.NewHealthClient(from.dial(t, nil, address))
			res, err := stub.Check(parity.Within(t), &healthpb.HealthCheckRequest{})
			parity.Want(t, "Check", err)
			if res.GetStatus() != healthpb.HealthCheckResponse_SERVING {
				t.Errorf("the server is %v", res)
			}
			_, err = stub.Check(parity.Within(t), &healthpb.HealthCheckRequest{Service: "none"})
			wantCode(t, "Check of none", err, codes.NotFound)

			status.SetServingStatus("x", healthpb.HealthCheckResponse_SERVING)
			watch, err := stub.Watch(parity.Within(t), &healthpb.HealthCheckRequest{Service: "x"})
			parity.Want(t, "Watch", err)
			for _, want := range []healthpb.HealthCheckResponse_ServingStatus{
				healthpb.HealthCheckResponse_SERVING, healthpb.HealthCheckResponse_NOT_SERVING,
			} {
				res, err := watch.Recv()
				parity.Want(t, "Recv", err)
				if res.GetStatus() != want {
					t.Errorf("the service is %v; want %v", res, want)
				}
				status.SetServingStatus("x", healthpb.HealthCheckResponse_NOT_SERVING)
			}
		})
	}
}

// grpc-go's own reflection describes what is registered here.
func TestReflectionOfGRPCGo(t *testing.T) {
	address := serve(t, nil, func(s grpc.ServiceRegistrar) {
		testpb.RegisterTestServiceServer(s, new(service))
		reflection.Register(s.(reflection.GRPCServer))
	})
	for _, from := range []maker{ours, reference} {
		t.Run(from.name, func(t *testing.T) {
			s, err := reflectionpb.NewServerReflectionClient(from.dial(t, nil, address)).ServerReflectionInfo(parity.Within(t))
			parity.Want(t, "ServerReflectionInfo", err)
			parity.Want(t, "Send", s.Send(&reflectionpb.ServerReflectionRequest{
				MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{},
			}))
			res, err := s.Recv()
			parity.Want(t, "Recv", err)
			var names []string
			for _, service := range res.GetListServicesResponse().GetService() {
				names = append(names, service.GetName())
			}
			if len(names) != 3 || names[2] != "grpc.testing.TestService" {
				t.Errorf("the services are %q", names)
			}
			parity.Want(t, "Send", s.Send(&reflectionpb.ServerReflectionRequest{
				MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{
					FileContainingSymbol: "grpc.testing.TestService",
				},
			}))
			res, err = s.Recv()
			parity.Want(t, "Recv", err)
			if n := len(res.GetFileDescriptorResponse().GetFileDescriptorProto()); n == 0 {
				t.Errorf("no file: %v", res)
			}
			parity.Want(t, "CloseSend", s.CloseSend())
			_, err = s.Recv()
			wantEOF(t, "Recv", err)
		})
	}
}
