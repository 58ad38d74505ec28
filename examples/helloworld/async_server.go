package main

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
)

// asyncServer serves the Greeter on completion queues.
type asyncServer struct {
	out      *printer
	options  options
	listener net.Listener
	server   *server.Server
	method   *server.Method
	queues   []*cq.Queue
	pollers  func()     // waits for them
	served   chan error // what Serve returned
	numbers  atomic.Int64
}

// startAsyncServer builds the server, posts a request for a call to each queue
// and starts the pollers.
func startAsyncServer(out *printer, lis net.Listener, o options) (*asyncServer, error) {
	s := &asyncServer{out: out, options: o, listener: lis, server: server.New(), served: make(chan error, 1)}
	var err error
	if s.method, err = s.server.RegisterMethod(sayHello.Name, server.PayloadOnly); err != nil {
		return nil, err
	}
	for i := range o.queues {
		q := cq.New()
		if err := s.server.AddQueue(q); err != nil {
			return nil, err
		}
		s.queues = append(s.queues, q)
		for range o.pollers { // as many calls at once as there are pollers
			if err := newCallData(s, i); err != nil {
				return nil, err
			}
		}
	}
	// Proceed is all that a poller does with an event: the tag is the CallData.
	s.pollers = cq.Poll(s.queues, o.pollers, cq.Proceed)
	go func() { s.served <- s.server.Serve(lis) }()
	return s, nil
}

func (s *asyncServer) addr() net.Addr { return s.listener.Addr() }

// stop ends the server in the order the tutorial asks for: the server first,
// then its queues, which Shutdown does itself, then their pollers drain them.
func (s *asyncServer) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.shutdownDeadline)
	defer cancel()
	err := s.server.Shutdown(ctx)
	s.pollers()
	if served := <-s.served; !errors.Is(served, server.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.out.linef("  server: shut down, then its %d queue(s) drained", len(s.queues))
	return err
}

// callData is the state of one call of SayHello. Its own address is the tag of
// everything it starts, so an event leads straight back to it.
type callData struct {
	server  *asyncServer
	queue   int
	number  int64
	state   callState
	slot    server.IncomingCall
	request greeterpb.HelloRequest
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

// newCallData makes a callData and lets it request its call.
func newCallData(s *asyncServer, queue int) error {
	d := &callData{server: s, queue: queue, number: s.numbers.Add(1)}
	return d.proceed(true)
}

// Proceed is called by a poller with every event whose tag is d.
func (d *callData) Proceed(ok bool) {
	if err := d.proceed(ok); err != nil {
		d.server.out.linef("  server: call data %d: %v", d.number, err)
	}
}

func (d *callData) proceed(ok bool) error {
	q := d.server.queues[d.queue]
	switch d.state {
	case create:
		d.state = process
		d.slot.Value = &d.request // the request is unmarshalled into it
		return d.server.server.RequestRegisteredCall(d.server.method, &d.slot, q, q, d)
	case process:
		if !ok {
			return nil // the server shuts down: there is no call
		}
		// Somebody must be waiting for the next call while we serve this one.
		if err := newCallData(d.server, d.queue); err != nil {
			return err
		}
		d.state = finish
		return d.answer()
	}
	d.slot.Call.Close() // and the garbage collector deletes d
	return nil
}

// answer sends headers, message and status in one batch.
func (d *callData) answer() error {
	reply := greeting(&d.request)
	d.server.out.linef("  server: queue %d, tag %p (call data %d) answers %q", d.queue, d, d.number, reply.GetMessage())
	return d.slot.Call.StartBatch([]call.Op{
		call.SendInitialMetadata(nil),
		call.SendValue(reply),
		call.SendStatus(cqrpc.Status{Code: cqrpc.CodeOK}, nil),
	}, d)
}
