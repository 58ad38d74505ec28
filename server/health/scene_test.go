package health_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/internal/gen/healthpb"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/health"
)

// The methods as clients know them, spelled out: a test that shares the names of its
// subject shares its mistakes.
var (
	check = call.Method[pb.HealthCheckRequest, pb.HealthCheckResponse]{Name: "/grpc.health.v1.Health/Check"}
	list  = call.Method[pb.HealthListRequest, pb.HealthListResponse]{Name: "/grpc.health.v1.Health/List"}
	watch = call.Method[pb.HealthCheckRequest, pb.HealthCheckResponse]{
		Name: "/grpc.health.v1.Health/Watch", Shape: call.ServerStream,
	}
)

// scene is a server that tells the statuses of a health.Server, and a channel to it.
type scene struct {
	*testing.T
	*health.Server
	server *server.Server
	net    *memconn.Listener
	ch     *client.Channel
}

// play runs script in a bubble. In the end there must be no goroutine, no buffer and
// no call that is still served.
func play(t *testing.T, script func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		leak.Buffers(t)
		s := &scene{T: t, Server: health.New(), server: server.New(), net: memconn.Listen()}
		if err := health.Register(s.server, s.Server); err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.server.Serve(s.net) }()
		var err error
		s.ch, err = client.NewChannel("mem.test:1", client.WithInsecure(), client.WithDialer(
			func(ctx context.Context, _, _ string) (net.Conn, error) { return s.net.Dial(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := errors.Join(s.ch.Close(), s.server.Close()); err != nil {
				t.Error(err)
			}
			if err := <-served; !errors.Is(err, server.ErrServerClosed) {
				t.Errorf("Serve returned %v; want ErrServerClosed", err)
			}
		}()
		script(s)
	})
}

// wantCheck wants Check of a service to say status.
func (s *scene) wantCheck(why, service, status string) {
	s.Helper()
	res, err := client.Unary(s.Context(), s.ch, check, &pb.HealthCheckRequest{Service: service})
	if err != nil || res.GetStatus().String() != status {
		s.Errorf("%s: Check of %q is %v, %v; want %s", why, service, res.GetStatus(), err, status)
	}
}

// wantUnknown wants Check not to know a service.
func (s *scene) wantUnknown(why, service string) {
	s.Helper()
	_, err := client.Unary(s.Context(), s.ch, check, &pb.HealthCheckRequest{Service: service})
	if cqrpc.CodeOf(err) != cqrpc.CodeNotFound {
		s.Errorf("%s: Check of %q is %v; want NOT_FOUND", why, service, err)
	}
}

// viewer is a client that watches a service.
type viewer struct {
	*scene
	stream *client.ServerStreamCall[pb.HealthCheckResponse]
	leave  context.CancelFunc
}

func (s *scene) watch(service string) *viewer {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	s.Cleanup(cancel)
	stream, err := client.ServerStream(ctx, s.ch, watch, &pb.HealthCheckRequest{Service: service})
	if err != nil {
		s.Fatal(err)
	}
	return &viewer{s, stream, cancel}
}

// want wants the next that the viewer is told.
func (v *viewer) want(why, status string) {
	v.Helper()
	res, err := v.stream.Recv()
	if err != nil || res.GetStatus().String() != status {
		v.Errorf("%s: Watch says %v, %v; want %s", why, res.GetStatus(), err, status)
	}
}
