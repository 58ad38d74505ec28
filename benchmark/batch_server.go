package main

import (
	"context"
	"net"
	"runtime"

	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

const (
	unaryMethod  = "/grpc.testing.BenchmarkService/UnaryCall"
	streamMethod = "/grpc.testing.BenchmarkService/StreamingCall"
	downMethod   = "/grpc.testing.BenchmarkService/StreamingFromServer"
)

// manyStreams lifts the server's limit for the measurements of idle streams.
var manyStreams = transport.Config{MaxConcurrentStreams: 1_000_000}

// prepost is how many requests for calls each queue keeps posted per method.
const prepost = 256

// serveBatch serves BenchmarkService in the batch style: a queue and a poller
// per CPU, and per call an object whose address is the tag.
func serveBatch(ready func(string)) error {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b := &batchServer{server: server.New(server.WithTransport(manyStreams))}
	if err := b.register(); err != nil {
		return err
	}
	for range runtime.GOMAXPROCS(0) {
		q := cq.New()
		if err := b.server.AddQueue(q); err != nil {
			return err
		}
		for range prepost {
			(&unaryServing{host: b, queue: q}).request()
			(&echoServing{host: b, queue: q}).request()
		}
		(&downServing{host: b, queue: q}).request()
		go poll(q)
	}
	ready(lis.Addr().String())
	return b.server.Serve(lis)
}

type batchServer struct {
	server              *server.Server
	unary, stream, down *server.Method
}

func (b *batchServer) register() (err error) {
	if b.unary, err = b.server.RegisterMethod(unaryMethod, server.PayloadOnly); err != nil {
		return err
	}
	if b.stream, err = b.server.RegisterMethod(streamMethod, server.PayloadNone); err != nil {
		return err
	}
	b.down, err = b.server.RegisterMethod(downMethod, server.PayloadOnly)
	return err
}

// poll runs the events of one queue, many to a lock.
func poll(q *cq.Queue) {
	var events [64]cq.Event
	for {
		n, kind := q.NextN(context.Background(), events[:])
		if kind == cq.Shutdown {
			return
		}
		for i := range events[:n] {
			cq.Proceed(events[i])
		}
	}
}

// unaryServing is one unary call on the server: requested, then answered.
type unaryServing struct {
	host     *batchServer
	queue    *cq.Queue
	slot     server.IncomingCall
	req      pb.SimpleRequest
	res      pb.SimpleResponse
	answered bool
}

func (u *unaryServing) request() {
	u.answered = false
	u.slot.Value = &u.req
	must(u.host.server.RequestRegisteredCall(u.host.unary, &u.slot, u.queue, u.queue, u))
}

// Proceed implements cq.Proceeder. When a call has been answered, its object
// is used for the next one.
func (u *unaryServing) Proceed(ok bool) {
	switch {
	case u.answered:
		u.slot.Call.Close()
		u.request()
	case ok:
		u.answered = true
		u.res.Payload = u.req.GetPayload()
		ops := [...]call.Op{
			call.SendInitialMetadata(nil),
			call.SendValue(&u.res),
			call.SendStatus(cqrpc.Status{}, nil),
		}
		must(u.slot.Call.StartBatch(ops[:], u))
	}
}

// echoServing is one stream: it sends back what it receives.
type echoServing struct {
	host  *batchServer
	queue *cq.Queue
	slot  server.IncomingCall
	req   pb.SimpleRequest
	res   pb.SimpleResponse
	got   bool
	state echoState
}

type echoState uint8

const (
	requested echoState = iota
	receiving
	sending
	ending
)

func (e *echoServing) request() {
	must(e.host.server.RequestRegisteredCall(e.host.stream, &e.slot, e.queue, e.queue, e))
}

// Proceed implements cq.Proceeder.
func (e *echoServing) Proceed(ok bool) {
	switch {
	case !ok && e.state == requested: // the server has ended
	case e.state == ending || !ok:
		e.slot.Call.Close()
	case e.state == requested:
		(&echoServing{host: e.host, queue: e.queue}).request()
		e.start(receiving, call.SendInitialMetadata(nil), call.RecvValue(&e.req, &e.got))
	case e.state == sending:
		e.start(receiving, call.RecvValue(&e.req, &e.got))
	case e.got:
		e.res.Payload = e.req.GetPayload()
		e.start(sending, call.SendValue(&e.res))
	default:
		e.start(ending, call.SendStatus(cqrpc.Status{}, nil))
	}
}

func (e *echoServing) start(next echoState, ops ...call.Op) {
	e.state = next
	must(e.slot.Call.StartBatch(ops, e))
}

// downServing is one stream of messages to a client until it has enough.
type downServing struct {
	host  *batchServer
	queue *cq.Queue
	slot  server.IncomingCall
	req   pb.SimpleRequest
	res   *pb.SimpleResponse
}

func (d *downServing) request() {
	d.slot.Value = &d.req
	must(d.host.server.RequestRegisteredCall(d.host.down, &d.slot, d.queue, d.queue, d))
}

// Proceed implements cq.Proceeder.
func (d *downServing) Proceed(ok bool) {
	switch {
	case !ok && d.slot.Call == nil: // the server has ended
	case !ok:
		d.slot.Call.Close()
	case d.res == nil:
		(&downServing{host: d.host, queue: d.queue}).request()
		d.res = response(int(d.req.GetResponseSize()))
		must(d.slot.Call.StartBatch([]call.Op{call.SendInitialMetadata(nil), call.SendValue(d.res)}, d))
	default:
		must(d.slot.Call.StartBatch([]call.Op{call.SendValue(d.res).With(call.BufferHint)}, d))
	}
}

// must ends the process: an error of a batch is a mistake in this program.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
