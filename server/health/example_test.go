package health_test

import (
	"context"
	"fmt"
	"net"

	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/internal/gen/healthpb"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/health"
)

// A server that says how it is. Any health client can ask, such as
// grpcurl -plaintext ADDRESS grpc.health.v1.Health/Check.
func Example() {
	s, h := server.New(), health.New()
	if err := health.Register(s, h); err != nil {
		fmt.Println(err)
		return
	}
	h.SetServingStatus("shop.Orders", health.NotServing) // until its database is there
	visit(s, func(ch *client.Channel) {
		ctx := context.Background()
		whole, err := client.Unary(ctx, ch, check, &pb.HealthCheckRequest{})
		fmt.Println("the server:", whole.GetStatus(), err)

		orders, err := client.ServerStream(ctx, ch, watch, &pb.HealthCheckRequest{Service: "shop.Orders"})
		if err != nil {
			fmt.Println(err)
			return
		}
		first, err := orders.Recv()
		fmt.Println("orders:", first.GetStatus(), err)
		h.SetServingStatus("shop.Orders", health.Serving)
		second, err := orders.Recv()
		fmt.Println("orders:", second.GetStatus(), err)
	})
	// Output:
	// the server: SERVING <nil>
	// orders: NOT_SERVING <nil>
	// orders: SERVING <nil>
}

// visit serves on loopback while f uses a channel to it.
func visit(s *server.Server, f func(ch *client.Channel)) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	ch, err := client.NewChannel(lis.Addr().String(), client.WithInsecure())
	if err != nil {
		panic(err)
	}
	f(ch)
	ch.Close()
	_ = s.Shutdown(context.Background())
	<-served
}
