package main

import (
	"context"
	"errors"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
)

// greetReactor has all calls in flight at once; each calls back when it is done.
func greetReactor(ctx context.Context, ch *client.Channel, out *printer, o options) error {
	stub := pb.NewGreeterReactorClient(ch)
	done := make(chan error, o.calls)
	for i := 1; i <= o.calls; i++ {
		reply := new(pb.HelloReply)
		stub.SayHello(ctx, o.request(i), reply, func(status cqrpc.Status) {
			if status.Code == cqrpc.CodeOK {
				out.linef("  reactor client: reply %q", reply.GetMessage())
			}
			done <- status.Err()
		})
	}
	var err error
	for range o.calls {
		err = errors.Join(err, <-done)
	}
	return err
}
