package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
)

// benchmarkService is BenchmarkService on grpc-go.
type benchmarkService struct {
	pb.UnimplementedBenchmarkServiceServer
}

func (benchmarkService) UnaryCall(_ context.Context, req *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return &pb.SimpleResponse{Payload: req.GetPayload()}, nil
}

func (benchmarkService) StreamingCall(s pb.BenchmarkService_StreamingCallServer) error {
	for {
		req, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&pb.SimpleResponse{Payload: req.GetPayload()}); err != nil {
			return err
		}
	}
}

func (benchmarkService) StreamingFromServer(
	req *pb.SimpleRequest, s pb.BenchmarkService_StreamingFromServerServer,
) error {
	res := response(int(req.GetResponseSize()))
	for {
		if err := s.Send(res); err != nil {
			return err
		}
	}
}

func serveGRPC(ready func(string)) error {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	pb.RegisterBenchmarkServiceServer(s, benchmarkService{})
	ready(lis.Addr().String())
	return s.Serve(lis)
}

// grpcDriver is the client on grpc-go.
type grpcDriver struct {
	conn   *grpc.ClientConn
	client pb.BenchmarkServiceClient
	held   []context.CancelFunc
}

func dialGRPC(addr string) (driver, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	return &grpcDriver{conn: conn, client: pb.NewBenchmarkServiceClient(conn)}, nil
}

func (d *grpcDriver) close() {
	for _, cancel := range d.held {
		cancel()
	}
	_ = d.conn.Close()
}

func (d *grpcDriver) unary(n int, done *counter, stop <-chan struct{}) error {
	return inParallel(n, func() error {
		for isOpen(stop) {
			if _, err := d.client.UnaryCall(context.Background(), request(payloadSize)); err != nil {
				return err
			}
			done.add(1)
		}
		return nil
	})
}

func (d *grpcDriver) pingPong(n int, done *counter, stop <-chan struct{}) error {
	return inParallel(n, func() error {
		s, err := d.client.StreamingCall(context.Background())
		if err != nil {
			return err
		}
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

func (d *grpcDriver) down(size int, done *counter, stop <-chan struct{}) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := d.client.StreamingFromServer(ctx, &pb.SimpleRequest{ResponseSize: int32(size)})
	if err != nil {
		return err
	}
	for isOpen(stop) {
		if _, err := s.Recv(); err != nil {
			return err
		}
		done.add(1)
	}
	return nil
}

func (d *grpcDriver) idle(n int) error {
	for range n {
		ctx, cancel := context.WithCancel(context.Background())
		d.held = append(d.held, cancel)
		s, err := d.client.StreamingCall(ctx)
		if err != nil {
			return err
		}
		if err := s.Send(request(payloadSize)); err != nil {
			return err
		}
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
	return nil
}

// payloadSize is that of unary and ping-pong messages, in bytes.
const payloadSize = 32

func request(size int) *pb.SimpleRequest {
	return &pb.SimpleRequest{Payload: &pb.Payload{Body: make([]byte, size)}}
}

func response(size int) *pb.SimpleResponse {
	return &pb.SimpleResponse{Payload: &pb.Payload{Body: make([]byte, size)}}
}

func isOpen(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return false
	default:
		return true
	}
}

// inParallel runs f on n goroutines and returns the first error.
func inParallel(n int, f func() error) error {
	var wg sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		wg.Go(func() {
			if err := f(); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}
