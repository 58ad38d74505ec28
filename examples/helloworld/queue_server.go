package main

import (
	"sync/atomic"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
)

// queueGreeter serves from completion queues: the tutorial's ServerImpl.
type queueGreeter struct {
	out     *printer
	service *pb.GreeterAsyncService
	queues  []*cq.Queue
	numbers atomic.Int64 // of the call data made
}

// serveQueue is the tutorial's Run and HandleRpcs: it requests a call on each
// queue and starts the pollers. With one queue and one poller nothing of this
// server runs concurrently. With N queues and a poller each the calls do, but
// nothing of one call. With N pollers of a queue a slow call delays no other.
func serveQueue(s *server.Server, out *printer, o options) (drain func() error, err error) {
	g := &queueGreeter{out: out}
	if g.service, err = pb.RegisterGreeterAsyncService(s); err != nil {
		return nil, err
	}
	for i := range o.queues {
		q := cq.New()
		if err := s.AddQueue(q); err != nil {
			return nil, err
		}
		g.queues = append(g.queues, q)
		for range o.pollers { // as many calls at once as there are pollers
			newCallData(g, i)
		}
	}
	// Proceed is all that a poller does with an event: the tag is the callData.
	wait := cq.Poll(g.queues, o.pollers, cq.Proceed)
	return func() error {
		wait()
		out.linef("  server: %d queue(s) drained", len(g.queues))
		return nil
	}, nil
}

// callData is the state of one call of SayHello. Its own address is the tag of
// everything it starts, so an event leads straight back to it.
type callData struct {
	greeter *queueGreeter
	queue   int
	number  int64
	state   callState

	ctx       async.Context
	request   pb.HelloRequest
	responder async.ResponseWriter[pb.HelloReply]
}

// callState is how far a callData has come.
//
//	create --request a call--> process --a call came, answer it--> finish --answered--> gone
type callState uint8

const (
	create callState = iota
	process
	finish
)

// String names the state as the tutorial does.
func (s callState) String() string { return [...]string{"CREATE", "PROCESS", "FINISH"}[s] }

// newCallData makes a callData and lets it request its call.
func newCallData(g *queueGreeter, queue int) {
	d := &callData{greeter: g, queue: queue, number: g.numbers.Add(1)}
	d.Proceed(true)
}

// Proceed is called by a poller with every event whose tag is d.
func (d *callData) Proceed(ok bool) {
	switch d.state {
	case create:
		d.state = process
		q := d.greeter.queues[d.queue]
		d.check(d.greeter.service.RequestSayHello(&d.ctx, &d.request, &d.responder, q, q, d))
	case process:
		if !ok {
			return // the server shuts down: there is no call
		}
		// Somebody must be waiting for the next call while we serve this one.
		newCallData(d.greeter, d.queue)
		reply := &pb.HelloReply{Message: greeting(&d.request)}
		d.greeter.out.linef("  server: queue %d, tag %p (call data %d) answers %q", d.queue, d, d.number, reply.GetMessage())
		d.state = finish
		d.check(d.responder.Finish(reply, cqrpc.Status{}, d))
	case finish:
		// Answered, or the client is gone: the garbage collector deletes d.
	}
}

// check prints why something could not be started: no event will come of it.
func (d *callData) check(err error) {
	if err != nil {
		d.greeter.out.linef("  server: call data %d in %v: %v", d.number, d.state, err)
	}
}
