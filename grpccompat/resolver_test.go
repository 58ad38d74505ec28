package grpccompat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	grpcresolver "google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/resolver"
	"github.com/cqrpc/cqrpc/grpccompat"
)

// follower makes a connection to "registry:///health" that follows a resolver.
type follower func(t *testing.T, b grpcresolver.Builder) (conn grpc.ClientConnInterface, end func())

func follow(t *testing.T, b grpcresolver.Builder) (grpc.ClientConnInterface, func()) {
	ch, err := client.NewChannel("registry:///health", client.WithInsecure(),
		client.WithResolver(grpccompat.NewResolver(b)))
	if err != nil {
		t.Fatal(err)
	}
	return grpccompat.NewClientConn(ch), func() { ch.Close() }
}

func followReference(t *testing.T, b grpcresolver.Builder) (grpc.ClientConnInterface, func()) {
	conn, err := grpc.NewClient("registry:///health", grpc.WithResolvers(b),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	return conn, func() { conn.Close() }
}

// A resolver of grpc-go's does to our channels what it does to its own.
func TestResolverOfGRPCGo(t *testing.T) {
	for name, f := range map[string]follower{"cqrpc": follow, "grpc-go": followReference} {
		t.Run(name, func(t *testing.T) { followResolver(t, f) })
	}
}

func followResolver(t *testing.T, f follower) {
	var servers [2]string
	for i := range servers {
		servers[i] = serve(t, nil, func(s grpc.ServiceRegistrar) { healthpb.RegisterHealthServer(s, serving{}) })
	}
	closed := make(chan struct{}, 10)
	outcomes := make(chan error, 10)
	r := manual.NewBuilderWithScheme("registry")
	r.BuildCallback = func(target grpcresolver.Target, cc grpcresolver.ClientConn, opts grpcresolver.BuildOptions) {
		if got := fmt.Sprint(target.URL.Scheme, " ", target.Endpoint(), " ", opts.Authority); got != "registry health health" {
			t.Errorf("built for %q", got)
		}
		cc.ReportError(errors.New("the registry is down"))
	}
	r.UpdateStateCallback = func(err error) { outcomes <- err }
	r.CloseCallback = func() { closed <- struct{}{} }
	conn, end := f(t, r)
	defer end()

	stub := healthpb.NewHealthClient(conn)
	wantUnavailable := func(why, words string) {
		t.Helper()
		_, err := stub.Check(t.Context(), &healthpb.HealthCheckRequest{})
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), words) {
			t.Fatalf("%s: %v; want UNAVAILABLE, %q", why, err, words)
		}
	}
	wantAt := func(why, address string) {
		t.Helper()
		for { // it may be under way
			var at peer.Peer
			_, err := stub.Check(t.Context(), &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true), grpc.Peer(&at))
			if err != nil {
				t.Fatalf("%s: %v", why, err)
			}
			if at.Addr.String() == address {
				return
			}
		}
	}
	wantOutcome := func(why string, want error) {
		t.Helper()
		if err := <-outcomes; !errors.Is(err, want) {
			t.Fatalf("%s: UpdateState returned %v; want %v", why, err, want)
		}
	}
	wantUnavailable("built", "the registry is down")
	at := func(addresses ...string) (all []grpcresolver.Address) {
		for _, a := range addresses {
			all = append(all, grpcresolver.Address{Addr: a})
		}
		return all
	}
	r.UpdateState(grpcresolver.State{Addresses: at(servers[0])})
	wantOutcome("a server", nil)
	wantAt("a server", servers[0])
	r.CC().ReportError(errors.New("it is down again"))
	wantAt("the list holds", servers[0])
	r.UpdateState(grpcresolver.State{Endpoints: []grpcresolver.Endpoint{{Addresses: at(servers[1])}}})
	wantOutcome("another", nil)
	wantAt("another", servers[1])
	r.UpdateState(grpcresolver.State{})
	wantOutcome("none", balancer.ErrBadResolverState)
	for { // the last connection may still be in use
		if _, err := stub.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			break
		}
	}
	wantUnavailable("none", "addresses")
	r.CC().NewAddress(at(servers[0])) //nolint:staticcheck // there are resolvers that call it
	wantAt("there is one again", servers[0])
	end()
	<-closed
}

// serving is a server that is well.
type serving struct {
	healthpb.UnimplementedHealthServer
}

func (serving) Check(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

// watch calls Watch with the resolver of a builder, until end.
func watch(
	t *testing.T, b grpcresolver.Builder, target string, report func([]resolver.Address, error),
) (w *resolver.Watch, end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w = resolver.NewWatch(target, report)
	ended := make(chan error, 1)
	go func() { ended <- grpccompat.NewResolver(b).Watch(ctx, w) }()
	return w, func() error {
		cancel()
		return <-ended
	}
}

// Targets are parsed as grpc-go parses them.
func TestTargetsForResolversOfGRPCGo(t *testing.T) {
	for text, want := range map[string]string{
		"etcd:///a/b":            "etcd  a/b",
		"etcd://192.0.2.1:1/a?x": "etcd 192.0.2.1:1 a",
		"etcd:a":                 "etcd  a",
		"a":                      "etcd  a",
		"a:80":                   "etcd  a:80",
		"consul://dc1/a":         "etcd  consul://dc1/a",
		"100%":                   "etcd  100%",
	} {
		targets := make(chan grpcresolver.Target, 1)
		r := manual.NewBuilderWithScheme("etcd")
		r.BuildCallback = func(target grpcresolver.Target, _ grpcresolver.ClientConn, _ grpcresolver.BuildOptions) {
			targets <- target
		}
		_, end := watch(t, r, text, func([]resolver.Address, error) {})
		got := <-targets
		if err := end(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Watch returned %v", text, err)
		}
		if got := fmt.Sprint(got.URL.Scheme, " ", got.URL.Host, " ", got.Endpoint()); got != want {
			t.Errorf("%s was parsed as %q; want %q", text, got, want)
		}
	}
}

// What a resolver says arrives, and what the channel says, too.
func TestResolverOfGRPCGoAndItsWatch(t *testing.T) {
	hints := make(chan struct{})
	r := manual.NewBuilderWithScheme("etcd")
	r.ResolveNowCallback = func(grpcresolver.ResolveNowOptions) { hints <- struct{}{} }
	r.InitialState(grpcresolver.State{Endpoints: []grpcresolver.Endpoint{
		{Addresses: []grpcresolver.Address{{Addr: "192.0.2.1:80"}, {Addr: "unix:/run/a"}}},
		{Addresses: []grpcresolver.Address{{Addr: "unix-abstract:b"}}},
	}})
	reports := make(chan []resolver.Address, 1)
	w, end := watch(t, r, "a", func(addresses []resolver.Address, err error) {
		if err != nil {
			t.Error(err)
		}
		reports <- addresses
	})
	want := resolver.Addresses("192.0.2.1:80", "unix:/run/a", "unix-abstract:b")
	if got := <-reports; !slices.Equal(got, want) {
		t.Errorf("reported %q; want %q", got, want)
	}
	w.Hint()
	<-hints
	if res := r.CC().ParseServiceConfig("{}"); res == nil || res.Err == nil {
		t.Errorf("a service config was taken: %v", res)
	}
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Errorf("Watch returned %v", err)
	}
}

// refusing is a builder that fails.
type refusing struct{ *manual.Resolver }

var errRefusing = errors.New("the configuration is missing")

func (refusing) Build(grpcresolver.Target, grpcresolver.ClientConn, grpcresolver.BuildOptions) (
	grpcresolver.Resolver, error,
) {
	return nil, errRefusing
}

// Build may fail: it is for the channel to try again.
func TestBuilderOfGRPCGoThatFails(t *testing.T) {
	b := refusing{manual.NewBuilderWithScheme("etcd")}
	w := resolver.NewWatch("a", func([]resolver.Address, error) { t.Error("reported") })
	if err := grpccompat.NewResolver(b).Watch(t.Context(), w); !errors.Is(err, errRefusing) {
		t.Errorf("Watch returned %v", err)
	}
}
