package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/async"
	"github.com/cqrpc/cqrpc/cq"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
)

// queueCall is one SayHello on its way: where its results go. Its address is
// its tag.
type queueCall struct {
	number int
	rpc    *async.ResponseReader[pb.HelloReply]
	reply  pb.HelloReply
	status cqrpc.Status
}

// greetQueue has all calls in flight at once and takes them as they come back.
func greetQueue(ctx context.Context, ch *client.Channel, out *printer, o options) error {
	stub, q := pb.NewGreeterAsyncClient(ch), cq.New()
	for i := 1; i <= o.calls; i++ {
		c := &queueCall{number: i}
		// Make the call and bind it to the queue ...
		c.rpc = stub.AsyncSayHello(ctx, o.request(i), q)
		// ... and ask for reply and status: then the tag comes out of the queue.
		if err := c.rpc.Finish(&c.reply, &c.status, c); err != nil {
			return err
		}
	}
	var err error
	for range o.calls {
		ev := q.Next(context.Background()) // the calls end with ctx
		if ev.Kind != cq.OpComplete {
			return fmt.Errorf("no event: %w", ev.Err)
		}
		c := ev.Tag.(*queueCall)
		if failed := c.status.Err(); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		out.linef("  queue client: call %d, tag %p ok=%v status %v reply %q",
			c.number, c, ev.OK, c.status.Code, c.reply.GetMessage())
	}
	return errors.Join(err, q.Close(context.Background()))
}
