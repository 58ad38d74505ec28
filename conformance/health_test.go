package conformance

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcgohealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	ourpb "github.com/cqrpc/cqrpc/internal/gen/healthpb"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/health"
)

// patient is a health service as its owner sees it, ours or grpc-go's: the statuses
// are gRPC's numbers.
type patient struct {
	set              func(service string, status int32)
	shutdown, resume func()
	address          string
}

// ourPatient serves our health service, in a binary that has grpc-go's as well.
func ourPatient(t *testing.T) patient {
	t.Helper()
	s, h := server.New(), health.New()
	parity.Want(t, "Register", health.Register(s, h))
	return patient{
		set:      func(service string, status int32) { h.SetServingStatus(service, health.Status(status)) },
		shutdown: h.Shutdown, resume: h.Resume,
		address: serveOurs(t, s),
	}
}

// serveOurs serves s on loopback until the test ends.
func serveOurs(t *testing.T, s *server.Server) (address string) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	parity.Want(t, "Listen", err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	t.Cleanup(func() {
		parity.Want(t, "Close", s.Close())
		<-served
	})
	return lis.Addr().String()
}

// theirPatient serves grpc-go's.
func theirPatient(t *testing.T) patient {
	t.Helper()
	s, h := grpc.NewServer(), grpcgohealth.NewServer()
	healthpb.RegisterHealthServer(s, h)
	return patient{
		set: func(service string, status int32) {
			h.SetServingStatus(service, healthpb.HealthCheckResponse_ServingStatus(status))
		},
		shutdown: h.Shutdown, resume: h.Resume,
		address: serveTheirs(t, s),
	}
}

// serveTheirs serves s on loopback until the test ends.
func serveTheirs(t *testing.T, s *grpc.Server) (address string) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	parity.Want(t, "Listen", err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	t.Cleanup(func() {
		s.Stop()
		<-served
	})
	return lis.Addr().String()
}

// doctor is a health client.
type doctor interface {
	check(ctx context.Context, service string) (int32, error)
	list(ctx context.Context) (map[string]int32, error)
	watch(ctx context.Context, service string) (next func() (int32, error), err error)
}

// theirDoctor is grpc-go's client.
type theirDoctor struct{ healthpb.HealthClient }

func (d theirDoctor) check(ctx context.Context, service string) (int32, error) {
	res, err := d.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
	return int32(res.GetStatus()), err
}

func (d theirDoctor) list(ctx context.Context) (map[string]int32, error) {
	res, err := d.List(ctx, &healthpb.HealthListRequest{})
	all := make(map[string]int32)
	for name, r := range res.GetStatuses() {
		all[name] = int32(r.GetStatus())
	}
	return all, err
}

func (d theirDoctor) watch(ctx context.Context, service string) (func() (int32, error), error) {
	stream, err := d.Watch(ctx, &healthpb.HealthCheckRequest{Service: service})
	return func() (int32, error) {
		res, err := stream.Recv()
		return int32(res.GetStatus()), err
	}, err
}

var check = call.Method[ourpb.HealthCheckRequest, ourpb.HealthCheckResponse]{
	Name: healthpb.Health_Check_FullMethodName,
}

// ourDoctor is our client with our messages.
type ourDoctor struct{ ch *client.Channel }

func (d ourDoctor) check(ctx context.Context, service string) (int32, error) {
	res, err := client.Unary(ctx, d.ch, check, &ourpb.HealthCheckRequest{Service: service})
	return int32(res.GetStatus()), err
}

func (d ourDoctor) list(ctx context.Context) (map[string]int32, error) {
	m := call.Method[ourpb.HealthListRequest, ourpb.HealthListResponse]{Name: healthpb.Health_List_FullMethodName}
	res, err := client.Unary(ctx, d.ch, m, &ourpb.HealthListRequest{})
	all := make(map[string]int32)
	for name, r := range res.GetStatuses() {
		all[name] = int32(r.GetStatus())
	}
	return all, err
}

func (d ourDoctor) watch(ctx context.Context, service string) (func() (int32, error), error) {
	m := call.Method[ourpb.HealthCheckRequest, ourpb.HealthCheckResponse]{
		Name: healthpb.Health_Watch_FullMethodName, Shape: call.ServerStream,
	}
	stream, err := client.ServerStream(ctx, d.ch, m, &ourpb.HealthCheckRequest{Service: service})
	return func() (int32, error) {
		res, err := stream.Recv()
		return int32(res.GetStatus()), err
	}, err
}

// connectGRPCGo and connectOurs connect to a server in plaintext until the test ends.
func connectGRPCGo(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	parity.Want(t, "NewClient", err)
	t.Cleanup(func() { parity.Want(t, "Close", conn.Close()) })
	return conn
}

func connectOurs(t *testing.T, address string) *client.Channel {
	t.Helper()
	ch, err := client.NewChannel(address, client.WithInsecure())
	parity.Want(t, "NewChannel", err)
	t.Cleanup(func() { parity.Want(t, "Close", ch.Close()) })
	return ch
}

// TestHealth has health clients and services of grpc-go and of ours talk to each
// other. That it starts at all says that both can be in one binary: of two files of
// one name, or two messages, protobuf's registry would panic at the second.
func TestHealth(t *testing.T) {
	for host, serve := range map[string]func(*testing.T) patient{"cqrpc": ourPatient, "grpc-go": theirPatient} {
		for caller, connect := range map[string]func(*testing.T, string) doctor{
			"cqrpc": func(t *testing.T, address string) doctor { return ourDoctor{connectOurs(t, address)} },
			"grpc-go": func(t *testing.T, address string) doctor {
				return theirDoctor{healthpb.NewHealthClient(connectGRPCGo(t, address))}
			},
		} {
			t.Run(caller+" to "+host, func(t *testing.T) {
				t.Parallel()
				p := serve(t)
				checkUp(t, p, connect(t, p.address))
			})
		}
	}
}

// The statuses by their names in gRPC.
const (
	serving        = int32(healthpb.HealthCheckResponse_SERVING)
	notServing     = int32(healthpb.HealthCheckResponse_NOT_SERVING)
	serviceUnknown = int32(healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
)

func checkUp(t *testing.T, p patient, d doctor) {
	ctx := parity.Within(t)
	wantStatus := func(why string, got int32, err error, want int32) {
		t.Helper()
		if err != nil || got != want {
			t.Fatalf("%s: got %d, %v; want %d", why, got, err, want)
		}
	}
	got, err := d.check(ctx, "")
	wantStatus("a new server", got, err, serving)
	if _, err = d.check(ctx, "x"); cqrpc.CodeOf(err) != cqrpc.CodeNotFound && status.Code(err) != codes.NotFound {
		t.Errorf("a service that nobody has set: %v; want NOT_FOUND", err)
	}
	watching, cancel := context.WithCancel(ctx)
	next, err := d.watch(watching, "x")
	parity.Want(t, "Watch", err)
	got, err = next()
	wantStatus("the call lives on", got, err, serviceUnknown)
	p.set("x", serving)
	got, err = next()
	wantStatus("it was set", got, err, serving)
	p.shutdown()
	got, err = next()
	wantStatus("all are shut down", got, err, notServing)
	p.set("x", serving)
	got, err = d.check(ctx, "x")
	wantStatus("that does not count", got, err, notServing)
	all, err := d.list(ctx)
	if err != nil || len(all) != 2 || all[""] != notServing || all["x"] != notServing {
		t.Errorf("List is %v, %v", all, err)
	}
	p.resume()
	got, err = next()
	wantStatus("all are resumed", got, err, serving)
	cancel()
	if _, err := next(); cqrpc.CodeOf(err) != cqrpc.CodeCanceled && status.Code(err) != codes.Canceled {
		t.Errorf("a watch that was cancelled: %v", err)
	}
}

// A client of grpc-go that is configured to check health sends calls only while our
// server says that it takes them.
func TestClientSideHealthChecking(t *testing.T) {
	p := ourPatient(t)
	conn, err := grpc.NewClient("passthrough:///"+p.address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(
			`{"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":"x"}}`))
	parity.Want(t, "NewClient", err)
	defer conn.Close()
	ctx := parity.Within(t)
	try := func(wait bool) error {
		_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(wait))
		return err
	}
	if err := try(false); status.Code(err) != codes.Unavailable {
		t.Errorf("a call while the service is unknown: %v; want UNAVAILABLE", err)
	}
	p.set("x", serving)
	parity.Want(t, "a call that waits for the service to be healthy", try(true))
}
