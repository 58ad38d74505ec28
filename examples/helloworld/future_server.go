package main

import (
	"errors"

	"github.com/cqrpc/cqrpc/cq/future"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

// futureGreeter serves with futures, on the queues of an environment.
type futureGreeter struct {
	pb.UnimplementedGreeterFutureServer
	out *printer
}

func serveFuture(s *server.Server, out *printer, o options) (drain func() error, err error) {
	env := future.NewEnvironment(o.queues)
	if err := pb.RegisterGreeterFutureServer(s, &futureGreeter{out: out}, env); err != nil {
		return nil, errors.Join(err, env.Close())
	}
	return env.Close, nil
}

// SayHello implements pb.GreeterFutureServer. It runs on the poller of the
// call's queue, so it must not block; the sink may be used later, from anywhere.
func (g *futureGreeter) SayHello(
	_ *serverfuture.Context, req *pb.HelloRequest, sink *serverfuture.ResponseSink[pb.HelloReply],
) {
	reply := &pb.HelloReply{Message: greeting(req)}
	g.out.linef("  server: sink answers %q", reply.GetMessage())
	sink.Success(reply)
}
