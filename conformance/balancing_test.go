package conformance

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	grpcgohealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	ourpb "github.com/cqrpc/cqrpc/internal/gen/healthpb"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// branch is a server of grpc-go's at an address that it keeps when it is started again.
type branch struct {
	address string
	calls   atomic.Int64
	server  *grpc.Server
	served  chan struct{}
}

func (b *branch) start(t *testing.T) {
	t.Helper()
	ctx := parity.Within(t)
	lis, err := net.Listen("tcp", b.address)
	for err != nil && ctx.Err() == nil { // somebody's connection may have the port
		<-time.After(10 * time.Millisecond)
		lis, err = net.Listen("tcp", b.address)
	}
	parity.Want(t, "Listen", err)
	b.address = lis.Addr().String()
	b.server = grpc.NewServer(grpc.UnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			b.calls.Add(1)
			return handle(ctx, req)
		}))
	healthpb.RegisterHealthServer(b.server, grpcgohealth.NewServer())
	server, served := b.server, make(chan struct{})
	b.served = served
	go func() {
		defer close(served)
		_ = server.Serve(lis) // until it is stopped
	}()
}

func (b *branch) end(stop func()) {
	stop()
	<-b.served
}

// crowd calls without a break.
type crowd struct{ failed atomic.Pointer[error] } // the latest

// call calls until ctx ends. The last call is not cancelled: its server would count it late.
func (c *crowd) call(ctx context.Context, ch *client.Channel) {
	for ctx.Err() == nil {
		if _, err := (ourDoctor{ch}).check(context.WithoutCancel(ctx), ""); err != nil {
			c.failed.Store(&err)
		}
	}
}

// waitFor waits until each branch has got so many calls more.
func waitFor(t *testing.T, why string, more int64, branches ...*branch) {
	t.Helper()
	ctx := parity.Within(t)
	for _, b := range branches {
		for enough := b.calls.Load() + more; b.calls.Load() < enough && ctx.Err() == nil; {
			<-time.After(time.Millisecond)
		}
	}
	parity.Want(t, why, ctx.Err())
}

// TestRoundRobinOverGRPCGo has calls take turns on three servers of grpc-go's, which leave in order, die and
// come back meanwhile.
func TestRoundRobinOverGRPCGo(t *testing.T) {
	t.Parallel()
	branches := []*branch{{address: "127.0.0.1:0"}, {address: "127.0.0.1:0"}, {address: "127.0.0.1:0"}}
	addresses := make([]string, len(branches))
	for i, b := range branches {
		b.start(t)
		t.Cleanup(func() { b.end(b.server.Stop) })
		addresses[i] = b.address
	}
	ch, err := client.NewChannel("ipv4:"+strings.Join(addresses, ","), client.WithInsecure(),
		client.WithBalancing(client.RoundRobin),
		client.WithBackoff(client.Backoff{Initial: 10 * time.Millisecond, Max: 100 * time.Millisecond}))
	parity.Want(t, "NewChannel", err)
	t.Cleanup(func() { parity.Want(t, "Close", ch.Close()) })

	ctx, leave := context.WithCancel(t.Context())
	var c crowd
	var calling sync.WaitGroup
	for range 8 {
		calling.Go(func() { c.call(ctx, ch) })
	}
	defer calling.Wait()
	defer leave()

	waitFor(t, "all get calls", 100, branches...)
	branches[0].end(branches[0].server.GracefulStop)
	waitFor(t, "two are left", 100, branches[1:]...)
	if err := c.failed.Load(); err != nil {
		t.Error("a server that leaves in order costs a call:", *err)
	}
	branches[0].start(t)
	waitFor(t, "it is back", 100, branches...)
	branches[1].end(branches[1].server.Stop)
	for isOver := false; !isOver; isOver = c.failed.Load() == nil {
		if err := c.failed.Swap(nil); err != nil && cqrpc.CodeOf(*err) != cqrpc.CodeUnavailable {
			t.Error("a server that dies:", *err)
		}
		waitFor(t, "two are left", 100, branches[0], branches[2])
	}
	branches[1].start(t)
	waitFor(t, "it is back", 100, branches...)
	if got, want := ch.State(), client.Ready; got != want {
		t.Errorf("the state is %v; want %v", got, want)
	}

	leave()
	calling.Wait()
	before := make([]int64, len(branches))
	for i, b := range branches {
		before[i] = b.calls.Load()
	}
	const each = 50
	for range each * len(branches) {
		_, err := ourDoctor{ch}.check(t.Context(), "")
		parity.Want(t, "Check", err)
	}
	for i, b := range branches {
		if got := b.calls.Load() - before[i]; got != each {
			t.Errorf("server %d got %d of %d calls, one after the other; want %d", i, got, each*len(branches), each)
		}
	}
}

// TestConnectionsToGRPCGo has more streams open at a time than grpc-go's server takes on one connection.
func TestConnectionsToGRPCGo(t *testing.T) {
	t.Parallel()
	const connections, limit = 3, 2
	s := grpc.NewServer(grpc.MaxConcurrentStreams(limit))
	healthpb.RegisterHealthServer(s, grpcgohealth.NewServer())
	ch, err := client.NewChannel(serveTheirs(t, s), client.WithInsecure(), client.WithConnections(connections))
	parity.Want(t, "NewChannel", err)
	t.Cleanup(func() { parity.Want(t, "Close", ch.Close()) })

	ctx := parity.Within(t)
	for ready := map[string]bool{}; len(ready) < connections; {
		var p call.Peer
		_, err := client.Unary(ctx, ch, check, &ourpb.HealthCheckRequest{}, client.PeerTo(&p))
		parity.Want(t, "Check", err)
		ready[p.LocalAddr.String()] = true
	}
	for range connections * limit {
		next, err := ourDoctor{ch}.watch(ctx, "")
		parity.Want(t, "Watch", err)
		status, err := next()
		parity.Want(t, "the first answer", err)
		if status != int32(healthpb.HealthCheckResponse_SERVING) {
			t.Errorf("the status is %d", status)
		}
	}
}
