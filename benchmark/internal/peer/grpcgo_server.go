// Package peer is the bench's clients and servers of the libraries that cqrpc is
// compared with: grpc-go, and connect-go over unencrypted HTTP/2. Both have a
// goroutine per call under way.
package peer

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/cqrpc/cqrpc/benchmark/internal/service"
)

// NewGRPCServer returns a server of grpc-go.
func NewGRPCServer(set service.Setting) (service.Server, error) {
	security := insecure.NewCredentials()
	if set.TLS != nil {
		security = credentials.NewTLS(set.TLS)
	}
	s := grpc.NewServer(
		grpc.Creds(security),
		grpc.MaxConcurrentStreams(service.MaxStreams),
		grpc.MaxRecvMsgSize(service.MaxMessage),
		grpc.NumStreamWorkers(uint32(set.Workers)),
	)
	pb.RegisterBenchmarkServiceServer(s, grpcService{})
	return grpcServer{s}, nil
}

type grpcServer struct{ *grpc.Server }

// Close implements service.Server.
func (s grpcServer) Close() error {
	s.Stop()
	return nil
}

type grpcService struct {
	pb.UnimplementedBenchmarkServiceServer
}

func (grpcService) UnaryCall(_ context.Context, req *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	res := new(pb.SimpleResponse)
	service.Answer(res, req)
	return res, nil
}

func (grpcService) StreamingCall(s pb.BenchmarkService_StreamingCallServer) error {
	for {
		req, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var res pb.SimpleResponse
		service.Answer(&res, req)
		if err := s.Send(&res); err != nil {
			return err
		}
	}
}

func (grpcService) StreamingFromServer(
	req *pb.SimpleRequest, s pb.BenchmarkService_StreamingFromServerServer,
) error {
	res := service.Flood(req)
	for {
		if err := s.Send(res); err != nil {
			return err
		}
	}
}

func (grpcService) StreamingFromClient(s pb.BenchmarkService_StreamingFromClientServer) error {
	for {
		switch _, err := s.Recv(); {
		case errors.Is(err, io.EOF):
			return s.SendAndClose(new(pb.SimpleResponse))
		case err != nil:
			return err
		}
	}
}
