package main

import (
	"github.com/cqrpc/cqrpc"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// reactorGreeter serves with reactors: objects that react to what happens to
// their call. SayHello has nothing to react to, so the library's own will do.
type reactorGreeter struct {
	pb.UnimplementedGreeterReactorServer
	out *printer
}

func serveReactor(s *server.Server, out *printer, _ options) (drain func() error, err error) {
	return func() error { return nil }, pb.RegisterGreeterReactorServer(s, &reactorGreeter{out: out})
}

// SayHello implements pb.GreeterReactorServer.
func (g *reactorGreeter) SayHello(
	ctx *reactor.Context, req *pb.HelloRequest, reply *pb.HelloReply,
) reactor.UnaryReactor {
	reply.Message = greeting(req)
	g.out.linef("  server: default reactor answers %q", reply.GetMessage())
	r := ctx.DefaultReactor()
	r.Finish(cqrpc.Status{}) // here or later, from any goroutine
	return r
}
