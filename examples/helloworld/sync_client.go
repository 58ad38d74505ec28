package main

import (
	"context"

	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
)

// greetSync makes one call after the other.
func greetSync(ctx context.Context, ch *client.Channel, out *printer, o options) error {
	stub := pb.NewGreeterSyncClient(ch)
	for i := 1; i <= o.calls; i++ {
		reply, err := stub.SayHello(ctx, o.request(i))
		if err != nil {
			return err
		}
		out.linef("  sync client: reply %q", reply.GetMessage())
	}
	return nil
}
