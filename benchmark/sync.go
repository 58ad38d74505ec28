package main

import (
	"context"
	"errors"
	"io"
	"net"

	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/server"
)

var (
	unaryCall = call.Method[pb.SimpleRequest, pb.SimpleResponse]{Name: unaryMethod}
	echoCall  = call.Method[pb.SimpleRequest, pb.SimpleResponse]{Name: streamMethod, Shape: call.BidiStream}
	downCall  = call.Method[pb.SimpleRequest, pb.SimpleResponse]{Name: downMethod, Shape: call.ServerStream}
)

// serveSync serves BenchmarkService in the sync style.
func serveSync(ready func(string)) error {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := server.New(server.WithTransport(manyStreams))
	err = s.Register(
		server.Unary(unaryCall, func(_ context.Context, req *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			return &pb.SimpleResponse{Payload: req.GetPayload()}, nil
		}),
		server.BidiStream(echoCall, echo),
		server.ServerStream(downCall, down),
	)
	if err != nil {
		return err
	}
	ready(lis.Addr().String())
	return s.Serve(lis)
}

func down(_ context.Context, req *pb.SimpleRequest, out *server.Sender[pb.SimpleResponse]) error {
	res := response(int(req.GetResponseSize()))
	for {
		if err := out.Send(res); err != nil {
			return err
		}
	}
}

func echo(_ context.Context, in *server.Receiver[pb.SimpleRequest], out *server.Sender[pb.SimpleResponse]) error {
	for req, err := range in.All() {
		if err != nil {
			return err
		}
		if err := out.Send(&pb.SimpleResponse{Payload: req.GetPayload()}); err != nil {
			return err
		}
	}
	return nil
}

// syncDriver is the client in the sync style: a goroutine per call in flight.
type syncDriver struct {
	channel *client.Channel
	held    []*client.BidiStreamCall[pb.SimpleRequest, pb.SimpleResponse]
}

func dialSync(addr string) (driver, error) {
	ch, err := client.NewChannel(addr, client.WithInsecure())
	if err != nil {
		return nil, err
	}
	return &syncDriver{channel: ch}, nil
}

func (d *syncDriver) close() {
	for _, s := range d.held {
		s.Close()
	}
	_ = d.channel.Close()
}

func (d *syncDriver) unary(n int, done *counter, stop <-chan struct{}) error {
	return inParallel(n, func() error {
		for isOpen(stop) {
			if _, err := client.Unary(context.Background(), d.channel, unaryCall, request(payloadSize)); err != nil {
				return err
			}
			done.add(1)
		}
		return nil
	})
}

func (d *syncDriver) pingPong(n int, done *counter, stop <-chan struct{}) error {
	return inParallel(n, func() error {
		s, err := client.BidiStream(context.Background(), d.channel, echoCall)
		if err != nil {
			return err
		}
		defer s.Close()
		req := request(payloadSize)
		for isOpen(stop) {
			if err := s.Send(req); err != nil {
				return err
			}
			if _, err := s.Recv(); err != nil {
				return err
			}
			done.add(1)
		}
		if err := s.CloseSend(); err != nil {
			return err
		}
		if _, err := s.Recv(); !errors.Is(err, io.EOF) {
			return err
		}
		return nil
	})
}

func (d *syncDriver) down(size int, done *counter, stop <-chan struct{}) error {
	s, err := client.ServerStream(context.Background(), d.channel, downCall, &pb.SimpleRequest{ResponseSize: int32(size)})
	if err != nil {
		return err
	}
	defer s.Close()
	for isOpen(stop) {
		if _, err := s.Recv(); err != nil {
			return err
		}
		done.add(1)
	}
	return nil
}

func (d *syncDriver) idle(n int) error {
	for range n {
		s, err := client.BidiStream(context.Background(), d.channel, echoCall)
		if err != nil {
			return err
		}
		d.held = append(d.held, s)
		if err := s.Send(request(payloadSize)); err != nil {
			return err
		}
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
	return nil
}
