package health

import (
	"context"
	"net"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/internal/gen/healthpb"
	"github.com/cqrpc/cqrpc/internal/lasting"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

// What clients watch is forgotten when they go, so that they cannot fill our memory
// with names.
func TestWatchedServicesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, h, lis := server.New(), New(), memconn.Listen()
		if err := Register(srv, h); err != nil {
			t.Fatal(err)
		}
		go func() { _ = srv.Serve(lis) }()
		defer srv.Close()
		ch, err := client.NewChannel("mem.test:1", client.WithInsecure(), client.WithDialer(
			func(ctx context.Context, _, _ string) (net.Conn, error) { return lis.Dial(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		defer ch.Close()
		known := func() int {
			synctest.Wait()
			h.mu.Lock()
			defer h.mu.Unlock()
			return len(h.services)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for _, name := range []string{"a", "b", "b", "set"} {
			stream, err := client.ServerStream(ctx, ch, watchMethod, &pb.HealthCheckRequest{Service: name})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		h.SetServingStatus("set", Serving)
		h.SetServingStatus("b", Serving)
		h.SetServingStatus("b", ServiceUnknown)
		if n := known(); n != 4 {
			t.Errorf("it knows %d services, want the whole, a, b and set", n)
		}
		cancel()
		if n := known(); n != 2 {
			t.Errorf("it knows %d services, want the whole and set", n)
		}
		h.SetServingStatus("set", ServiceUnknown)
		h.SetServingStatus("never", ServiceUnknown)
		if n := known(); n != 1 {
			t.Errorf("it knows %d services, want the whole", n)
		}
	})
}

// A request is kept as long as its call lives, so what the client has put into it must
// not be.
func TestWatchKeepsNothingOfTheRequest(t *testing.T) {
	req := &pb.HealthCheckRequest{Service: "x"}
	req.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 100, protowire.VarintType), 1))
	if New().watch(new(lasting.Calls), req); proto.Size(req) != 0 {
		t.Errorf("%d octets are kept", proto.Size(req))
	}
}
