package main

import (
	"context"
	"errors"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq/future"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
)

// greetFuture has all calls in flight at once, as futures, and awaits all.
func greetFuture(ctx context.Context, ch *client.Channel, out *printer, o options) (err error) {
	env := future.NewEnvironment(1)
	defer func() { err = errors.Join(err, env.Close()) }()
	stub := pb.NewGreeterFutureClient(ch, env)
	var replies []*future.Future[*pb.HelloReply]
	for i := 1; i <= o.calls; i++ {
		replies = append(replies, stub.SayHello(ctx, o.request(i)).Future)
	}
	all, err := future.Join(replies...).Await(ctx)
	for _, reply := range all {
		out.linef("  future client: reply %q", reply.GetMessage())
	}
	return err
}
