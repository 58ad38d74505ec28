package own

import (
	"context"

	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/server"
)

// NewSyncServer returns a server of the sync style.
func NewSyncServer(set service.Setting) (service.Server, error) {
	set.Reuse = false // each message is a new one
	h := &host{Server: newServer(set)}
	return h, h.Register(
		server.Unary(service.Unary, unary),
		server.BidiStream(service.PingPong, pingPong),
		server.ServerStream(service.Down, down),
		server.ClientStream(service.Up, up),
	)
}

func unary(_ context.Context, req *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	res := new(pb.SimpleResponse)
	service.Answer(res, req)
	return res, nil
}

func pingPong(_ context.Context, in *server.Receiver[pb.SimpleRequest], out *server.Sender[pb.SimpleResponse]) error {
	for req, err := range in.All() {
		if err != nil {
			return err
		}
		var res pb.SimpleResponse
		service.Answer(&res, req)
		if err := out.Send(&res); err != nil {
			return err
		}
	}
	return nil
}

func down(_ context.Context, req *pb.SimpleRequest, out *server.Sender[pb.SimpleResponse]) error {
	res := service.Flood(req)
	for {
		if err := out.Send(res); err != nil {
			return err
		}
	}
}

func up(_ context.Context, in *server.Receiver[pb.SimpleRequest]) (*pb.SimpleResponse, error) {
	for _, err := range in.All() {
		if err != nil {
			return nil, err
		}
	}
	return new(pb.SimpleResponse), nil
}
