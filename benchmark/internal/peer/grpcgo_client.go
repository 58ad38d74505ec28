package peer

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
)

// grpcClient has a ClientConn per connection. The end of its context ends all
// streams.
type grpcClient struct {
	setup  load.Setup
	conns  []*grpc.ClientConn
	ctx    context.Context //nolint:containedctx // of all that the client does, from New to Close
	cancel context.CancelFunc
}

// NewGRPCClient returns a client of grpc-go.
func NewGRPCClient(setup load.Setup) (load.Client, error) {
	c := &grpcClient{setup: setup}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

func (c *grpcClient) Dial() (load.Conn, error) {
	security := insecure.NewCredentials()
	if c.setup.TLS {
		security = credentials.NewTLS(service.ClientTLS())
	}
	conn, err := grpc.NewClient(c.setup.Addr,
		grpc.WithTransportCredentials(security),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(service.MaxMessage)))
	if err != nil {
		return nil, err
	}
	c.conns = append(c.conns, conn)
	return &grpcConn{c, pb.NewBenchmarkServiceClient(conn)}, nil
}

func (c *grpcClient) Close() error {
	c.cancel()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	return nil
}

type grpcConn struct {
	client *grpcClient
	stub   pb.BenchmarkServiceClient
}

func (c *grpcConn) Unary(t *load.Turn) load.Slot {
	req := service.Ask(c.client.setup.Up, c.client.setup.Down)
	return load.Blocking(t, func() error {
		ctx, cancel := c.client.setup.Context()
		defer cancel()
		res, err := c.stub.UnaryCall(ctx, req)
		if err != nil {
			return err
		}
		return service.Check(res, c.client.setup.Down)
	})
}

func (c *grpcConn) PingPong(t *load.Turn) load.Slot {
	req := service.Request(c.client.setup.Size)
	var s pb.BenchmarkService_StreamingCallClient
	return load.Blocking(t, func() (err error) {
		if s == nil {
			if s, err = c.stub.StreamingCall(c.client.ctx); err != nil {
				return err
			}
		}
		if err := s.Send(req); err != nil {
			return err
		}
		res, err := s.Recv()
		if err != nil {
			return err
		}
		return service.Check(res, c.client.setup.Size)
	})
}

func (c *grpcConn) Down(t *load.Turn) load.Slot {
	req := service.RequestDown(c.client.setup.Size)
	var s pb.BenchmarkService_StreamingFromServerClient
	return load.Blocking(t, func() (err error) {
		if s == nil {
			if s, err = c.stub.StreamingFromServer(c.client.ctx, req); err != nil {
				return err
			}
		}
		res, err := s.Recv()
		if err != nil {
			return err
		}
		return service.Check(res, c.client.setup.Size)
	})
}

func (c *grpcConn) Up(t *load.Turn) load.Slot {
	req := service.Request(c.client.setup.Size)
	var s pb.BenchmarkService_StreamingFromClientClient
	return load.Blocking(t, func() (err error) {
		if s == nil {
			if s, err = c.stub.StreamingFromClient(c.client.ctx); err != nil {
				return err
			}
		}
		return s.Send(req)
	})
}
