package grpccompat_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/grpccompat"
	"github.com/cqrpc/cqrpc/server"
)

// grounds are the two implementations on loopback, for benchmarks.
var grounds = []struct {
	name  string
	begin func(b *testing.B, s *service) grpc.ClientConnInterface
}{
	{"cqrpc", beginOurs},
	{"grpc-go", beginReference},
}

func beginOurs(b *testing.B, impl *service) grpc.ClientConnInterface {
	s, lis := server.New(), loopback(b)
	impl.register(grpccompat.NewRegistrar(s))
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	ch, err := client.NewChannel("passthrough:///"+lis.Addr().String(), client.WithInsecure())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(ch.Close(), s.Close()); err != nil {
			b.Error(err)
		}
		<-served
	})
	return grpccompat.NewClientConn(ch)
}

func beginReference(b *testing.B, impl *service) grpc.ClientConnInterface {
	s, lis := grpc.NewServer(), loopback(b)
	impl.register(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///"+lis.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := conn.Close(); err != nil {
			b.Error(err)
		}
		s.Stop()
		<-served
	})
	return conn
}

func loopback(b *testing.B) net.Listener {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return lis
}

// One unary call after the other, and from many goroutines at once: both ends are in this
// process, so the allocations are those of both.
func BenchmarkUnary(b *testing.B) {
	impl := &service{unary: func(_ context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{Payload: req.GetPayload()}, nil
	}}
	req := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, 32)}}
	for _, g := range grounds {
		one := func(b *testing.B, stub testpb.TestServiceClient) {
			if _, err := stub.UnaryCall(b.Context(), req); err != nil {
				b.Error(err)
			}
		}
		b.Run("serial/"+g.name, func(b *testing.B) {
			stub := testpb.NewTestServiceClient(g.begin(b, impl))
			b.ReportAllocs()
			for b.Loop() {
				one(b, stub)
			}
		})
		b.Run("parallel/"+g.name, func(b *testing.B) {
			stub := testpb.NewTestServiceClient(g.begin(b, impl))
			b.ReportAllocs()
			b.SetParallelism(50)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					one(b, stub)
				}
			})
		})
	}
}

// A stream on which a message goes there and one comes back.
func BenchmarkPingPong(b *testing.B) {
	for _, g := range grounds {
		b.Run(g.name, func(b *testing.B) {
			s, err := testpb.NewTestServiceClient(g.begin(b, &service{duplex: echo})).FullDuplexCall(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Send(ask(32)); err != nil {
					b.Fatal(err)
				}
				if _, err := s.Recv(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
