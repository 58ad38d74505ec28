package grpccompat_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/grpccompat"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
)

// maker is one of the two implementations that generated code runs on: serve and dial do
// the same with either, so that a test of what grpc-go does is one of what we do.
type maker struct {
	name  string
	serve func(t *testing.T, c *parity.Credentials, register func(grpc.ServiceRegistrar)) (address string)
	dial  func(t *testing.T, c *parity.Credentials, address string) grpc.ClientConnInterface
}

var (
	ours      = maker{name: "cqrpc", serve: serve, dial: dial}
	reference = maker{name: "grpc-go", serve: serveReference, dial: dialReference}
)

// both calls f with every pairing of the two that has one of ours in it.
func both(t *testing.T, f func(t *testing.T, from, to maker)) {
	for _, p := range [][2]maker{{ours, ours}, {ours, reference}, {reference, ours}} {
		t.Run(p[0].name+" to "+p[1].name, func(t *testing.T) { f(t, p[0], p[1]) })
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return lis
}

func serve(t *testing.T, c *parity.Credentials, register func(grpc.ServiceRegistrar)) string {
	t.Helper()
	return serveWith(t, c, nil, nil, register)
}

func serveWith(
	t *testing.T, c *parity.Credentials, opts []server.Option, compat []grpccompat.ServerOption,
	register func(grpc.ServiceRegistrar),
) string {
	t.Helper()
	if c != nil {
		opts = append(opts, server.WithTLS(c.Server()))
	}
	s, lis := server.New(opts...), listen(t)
	register(grpccompat.NewRegistrar(s, compat...))
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	t.Cleanup(func() {
		parity.Want(t, "Close", s.Close())
		if err := <-served; !errors.Is(err, server.ErrServerClosed) {
			t.Error(err)
		}
	})
	return lis.Addr().String()
}

func dial(t *testing.T, c *parity.Credentials, address string) grpc.ClientConnInterface {
	t.Helper()
	return grpccompat.NewClientConn(channel(t, c, address))
}

func channel(t *testing.T, c *parity.Credentials, address string, opts ...client.Option) *client.Channel {
	t.Helper()
	if c != nil {
		opts = append(opts, client.WithTLS(c.Client()))
	} else {
		opts = append(opts, client.WithInsecure())
	}
	ch, err := client.NewChannel("passthrough:///"+address, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { parity.Want(t, "Close", ch.Close()) })
	return ch
}

func serveReference(t *testing.T, c *parity.Credentials, register func(grpc.ServiceRegistrar)) string {
	t.Helper()
	return serveReferenceWith(t, c, nil, register)
}

func serveReferenceWith(
	t *testing.T, c *parity.Credentials, opts []grpc.ServerOption, register func(grpc.ServiceRegistrar),
) string {
	t.Helper()
	if c != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(c.Server())))
	}
	s, lis := grpc.NewServer(opts...), listen(t)
	register(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return lis.Addr().String()
}

func dialReference(t *testing.T, c *parity.Credentials, address string) grpc.ClientConnInterface {
	t.Helper()
	creds := insecure.NewCredentials()
	if c != nil {
		creds = credentials.NewTLS(c.Client())
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(creds),
		grpc.WithStreamInterceptor(openOnceCancelled))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { parity.Want(t, "Close", conn.Close()) })
	return conn
}

// openOnceCancelled is for grpc-go's client, of which an application that cancels, half-closes
// and receives may get an answer: one that has come is given before the context is asked (the
// TODO in recvBufferReader of its internal/transport). A stream whose context has ended stays
// open here, so that the server has no reason to answer before it sees the RST_STREAM.
func openOnceCancelled(
	ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string,
	streamer grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	s, err := streamer(ctx, desc, conn, method, opts...)
	return openCancelled{s}, err
}

type openCancelled struct{ grpc.ClientStream }

func (s openCancelled) CloseSend() error {
	if s.Context().Err() != nil {
		return nil
	}
	return s.ClientStream.CloseSend()
}
