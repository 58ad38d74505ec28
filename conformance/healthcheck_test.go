package conformance

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/serviceconfig"
	ourpb "github.com/cqrpc/cqrpc/internal/gen/healthpb"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// askers make calls to two servers through one channel of ours.
type askers struct {
	ch      *client.Channel
	servers [2]patient
}

// ask calls and returns which server has answered.
func (a *askers) ask(ctx context.Context, opts ...client.CallOption) (string, error) {
	var p call.Peer
	_, err := client.Unary(ctx, a.ch, check, new(ourpb.HealthCheckRequest), append(opts, client.PeerTo(&p))...)
	if err != nil {
		return "", err
	}
	return p.Addr.String(), nil
}

// wantOnly calls until only these servers answer, a hundred times in a row and each of them.
func (a *askers) wantOnly(t *testing.T, why string, servers ...int) {
	t.Helper()
	ctx := parity.Within(t)
	for tries := 0; ; tries++ {
		seen, isGood := map[string]bool{}, true
		for range 100 {
			address, err := a.ask(ctx, client.WithWaitForReady(true))
			parity.Want(t, why, err)
			seen[address] = true
		}
		for _, i := range servers {
			isGood = isGood && seen[a.servers[i].address]
		}
		if isGood && len(seen) == len(servers) {
			return
		}
	}
}

// TestHealthChecks has a channel choose among servers of grpc-go's, and of ours, by their health.
func TestHealthChecks(t *testing.T) {
	for host, serve := range map[string]func(*testing.T) patient{"cqrpc": ourPatient, "grpc-go": theirPatient} {
		for _, policy := range []client.Balancing{client.RoundRobin, client.LeastRequest} {
			t.Run(policy.String()+" to "+host, func(t *testing.T) {
				t.Parallel()
				a := &askers{servers: [2]patient{serve(t), serve(t)}}
				opts, err := serviceconfig.Options(`{"healthCheckConfig": {"serviceName": "x"}}`)
				parity.Want(t, "Options", err)
				a.ch, err = client.NewChannel("ipv4:"+a.servers[0].address+","+a.servers[1].address,
					append(opts, client.WithInsecure(), client.WithBalancing(policy))...)
				parity.Want(t, "NewChannel", err)
				t.Cleanup(func() { parity.Want(t, "Close", a.ch.Close()) })

				_, err = a.ask(parity.Within(t))
				if why := `the health of "x" is SERVICE_UNKNOWN`; cqrpc.CodeOf(err) != cqrpc.CodeUnavailable ||
					!strings.Contains(err.Error(), why) {
					t.Errorf("a call while nobody knows the service: %v; want UNAVAILABLE", err)
				}
				a.servers[0].set("x", serving)
				a.wantOnly(t, "the first serves", 0)
				a.servers[1].set("x", serving)
				a.wantOnly(t, "both serve", 0, 1)
				a.servers[0].set("x", notServing)
				a.wantOnly(t, "the second serves", 1)
				a.servers[1].shutdown()
				ctx := parity.Within(t)
				for err = nil; err == nil && ctx.Err() == nil; {
					_, err = a.ask(ctx)
				}
				parity.WantCode(t, "none serves", err, cqrpc.CodeUnavailable)
				a.servers[1].resume()
				a.wantOnly(t, "the second has resumed", 1)
			})
		}
	}
}

// plain is a service with one method of grpc-go's health service.
type plain struct {
	healthpb.UnimplementedHealthServer
}

func (plain) Check(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return &healthpb.HealthCheckResponse{}, nil
}

// A server of grpc-go's that has no Watch gets calls all the same.
func TestHealthCheckOfAServerWithoutWatch(t *testing.T) {
	t.Parallel()
	s := grpc.NewServer()
	healthpb.RegisterHealthServer(s, plain{})
	ch, err := client.NewChannel(serveTheirs(t, s), client.WithInsecure(), client.WithBalancing(client.RoundRobin),
		client.WithHealthCheck("x"))
	parity.Want(t, "NewChannel", err)
	t.Cleanup(func() { parity.Want(t, "Close", ch.Close()) })
	_, err = client.Unary(parity.Within(t), ch, check, new(ourpb.HealthCheckRequest))
	parity.Want(t, "Check", err)
}
