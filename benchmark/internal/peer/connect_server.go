package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	"connectrpc.com/connect"
	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/cqrpc/cqrpc/benchmark/internal/service"
)

// The parameters of connect's generic types in this service.
type (
	request  = pb.SimpleRequest
	response = pb.SimpleResponse
)

// NewConnectServer returns a server of connect-go, for gRPC over unencrypted
// HTTP/2.
func NewConnectServer(service.Setting) (service.Server, error) {
	mux := http.NewServeMux()
	limit := connect.WithReadMaxBytes(service.MaxMessage)
	mux.Handle(service.UnaryName, connect.NewUnaryHandler(service.UnaryName, connectUnary, limit))
	mux.Handle(service.PingPongName, connect.NewBidiStreamHandler(service.PingPongName, connectPingPong, limit))
	mux.Handle(service.DownName, connect.NewServerStreamHandler(service.DownName, connectDown, limit))
	mux.Handle(service.UpName, connect.NewClientStreamHandler(service.UpName, connectUp, limit))
	return connectServer{&http.Server{
		Handler:   mux,
		Protocols: unencryptedHTTP2(),
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: service.MaxStreams},
	}}, nil
}

func unencryptedHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

type connectServer struct{ *http.Server }

// Serve implements service.Server.
func (s connectServer) Serve(lis net.Listener) error {
	if err := s.Server.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func connectUnary(_ context.Context, req *connect.Request[request]) (*connect.Response[response], error) {
	res := new(response)
	service.Answer(res, req.Msg)
	return connect.NewResponse(res), nil
}

func connectPingPong(_ context.Context, s *connect.BidiStream[request, response]) error {
	for {
		req, err := s.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var res response
		service.Answer(&res, req)
		if err := s.Send(&res); err != nil {
			return err
		}
	}
}

func connectDown(_ context.Context, req *connect.Request[request], s *connect.ServerStream[response]) error {
	res := service.Flood(req.Msg)
	for {
		if err := s.Send(res); err != nil {
			return err
		}
	}
}

func connectUp(_ context.Context, s *connect.ClientStream[request]) (*connect.Response[response], error) {
	for s.Receive() {
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return connect.NewResponse(new(response)), nil
}
