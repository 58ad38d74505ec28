package main

import (
	"context"
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
)

// asyncCall is one SayHello on its way. The step from starting a call to
// finishing it is the tutorial's AsyncSayHello and Finish.
type asyncCall struct {
	call    *call.Call
	request *greeterpb.HelloRequest
	reply   greeterpb.HelloReply
	got     bool
	status  cqrpc.Status
}

// asyncSayHello makes the call and binds it to a queue. Nothing is sent yet.
func asyncSayHello(channel *client.Channel, req *greeterpb.HelloRequest, q *cq.Queue) *asyncCall {
	return &asyncCall{call: channel.NewCall(q, sayHello.Name), request: req}
}

// finish sends the request and asks for reply and status: when they are there,
// tag comes out of the queue.
func (c *asyncCall) finish(tag cq.Tag) error {
	return c.call.StartBatch([]call.Op{
		call.SendInitialMetadata(nil),
		call.SendValue(c.request),
		call.SendClose(),
		call.RecvInitialMetadata(nil),
		call.RecvValue(&c.reply, &c.got),
		call.RecvStatus(&c.status, nil),
	}, tag)
}

// greetAsync has all calls in flight at once and takes them as they come back.
func greetAsync(ctx context.Context, out *printer, channel *client.Channel, o options) error {
	q := cq.New()
	calls := make(map[int]*asyncCall)
	for tag := 1; tag <= o.calls; tag++ {
		c := asyncSayHello(channel, &greeterpb.HelloRequest{Name: fmt.Sprintf("%s %d", o.name, tag)}, q)
		defer c.call.Close()
		if err := c.finish(tag); err != nil {
			return err
		}
		calls[tag] = c
	}
	for range o.calls {
		ev := q.Next(ctx)
		if ev.Kind != cq.OpComplete {
			return fmt.Errorf("no event: %w", ev.Err)
		}
		c := calls[ev.Tag.(int)]
		if c.status.Code != cqrpc.CodeOK {
			return c.call.Err()
		}
		out.linef("  async client: tag %v ok=%v status %v reply %q", ev.Tag, ev.OK, c.status.Code, c.reply.GetMessage())
	}
	return q.Close(ctx)
}
