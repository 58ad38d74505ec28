package main

import (
	"context"

	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
)

// syncGreeter serves with a function, which runs on a goroutine of its own for
// every call and may block.
type syncGreeter struct {
	pb.UnimplementedGreeterSyncServer // methods that the service may get later
	out                               *printer
}

func serveSync(s *server.Server, out *printer, _ options) (drain func() error, err error) {
	return func() error { return nil }, pb.RegisterGreeterSyncServer(s, &syncGreeter{out: out})
}

// SayHello implements pb.GreeterSyncServer. What it returns ends the call.
func (g *syncGreeter) SayHello(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
	reply := &pb.HelloReply{Message: greeting(req)}
	g.out.linef("  server: handler answers %q", reply.GetMessage())
	return reply, nil
}
